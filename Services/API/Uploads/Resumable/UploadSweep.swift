import Database
import Logging
import Models
import ServiceLifecycle
import Storage
import Telemetry

/// Removes uploads nobody went on with, of every company, once a minute. Every process does it; files whose upload is not
/// known are the collector's.
struct UploadSweep: Service {
    private static let interval = Duration.seconds(60)
    private static let batch = 100

    let database: Database
    let storage: LocalStorage
    let logger: Logger

    func run() async throws {
        await repeatUntilShutdown(every: Self.interval) {
            do {
                var removed = Self.batch
                while removed == Self.batch {
                    removed = try await removeExpired()
                    guard removed > 0 else { continue }
                    logger.info("Uploads nobody went on with were removed", metadata: ["count": "\(removed)"])
                }
            } catch {
                logger.warning("Unfinished uploads could not be removed yet", metadata: ["error": "\(error)"])
            }
        }
    }

    /// Removes the files of a batch, then its rows. Several processes may do so at once: each takes rows no other has
    /// locked. If one dies in between, they are due again.
    private func removeExpired() async throws -> Int {
        try await database.withTransaction { connection in
            let due = try await connection.run(Self.lockExpired(Self.batch))
            guard !due.isEmpty else { return 0 }
            var removed: [UploadID] = []
            for upload in due where try await isGone(upload.id, on: upload.volume) {
                removed.append(upload.id)
            }
            _ = try await connection.run(Self.remove(removed))
            return removed.count
        }
    }

    /// Removes a file unless somebody is writing it.
    private func isGone(_ id: UploadID, on volume: String) async throws -> Bool {
        do throws(StorageError) {
            return try await storage.removeUnlockedUpload(id, on: volume)
        } catch  where error.kind == .unknownVolume {
            // The file went with its volume.
            return true
        }
    }

    private static let lockExpired = Query<ExpiredUpload>(
        """
        SELECT id, volume FROM uploads WHERE expires_at <= now()
         ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED
        """
    )
    private static let remove = Query<NoRow>("DELETE FROM uploads WHERE id = ANY ($1::uuid[])")
}

private struct ExpiredUpload: RowDecodable {
    let id: UploadID
    let volume: String

    init(from row: borrowing Row) throws(DatabaseError) {
        id = try row["id"]
        volume = try row["volume"]
    }
}
