import Database
import Logging
import Models
import ServiceLifecycle
import Storage
import Telemetry

/// Removes uploads nobody went on with, once a minute. Every process does it; files whose upload is not known are the
/// collector's.
struct UploadSweep: Service {
    private static let interval = Duration.seconds(60)
    private static let batch = 100

    let uploads: UploadUpkeepRepository
    let storage: LocalStorage
    let logger: Logger

    func run() async throws {
        await repeatUntilShutdown(every: Self.interval) {
            do {
                try await removeExpired()
            } catch {
                logger.warning("Unfinished uploads could not be removed yet", metadata: ["error": "\(error)"])
            }
        }
    }

    private func removeExpired() async throws {
        while true {
            let removed = try await uploads.forgetExpired(limit: Self.batch) { places in
                var removed: [UploadID] = []
                for place in places where try await isGone(place.id, on: place.volume) {
                    removed.append(place.id)
                }
                return removed
            }
            if removed > 0 {
                logger.info("Uploads nobody went on with were removed", metadata: ["count": "\(removed)"])
            }
            if removed < Self.batch { return }
        }
    }

    /// Removes a file unless somebody is writing it.
    private func isGone(_ id: UploadID, on volume: String) async throws -> Bool {
        do throws(StorageError) {
            return try await storage.removeUnlockedUpload(id, on: volume)
        } catch  where error.kind == .unknownVolume {
            // A volume that was taken away took the file with it.
            return true
        }
    }
}
