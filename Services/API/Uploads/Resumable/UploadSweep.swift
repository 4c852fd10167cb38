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
                var left = 0
                var round: (due: Int, removed: Int)
                repeat {
                    round = try await removeExpired(after: left)
                    left += round.due - round.removed
                    guard round.removed > 0 else { continue }
                    logger.info("Uploads nobody went on with were removed", metadata: ["count": "\(round.removed)"])
                } while round.due == Self.batch
            } catch {
                logger.warning("Unfinished uploads could not be removed yet", metadata: ["error": "\(error)"])
            }
        }
    }

    /// Removes the files of a batch, then its rows, after the oldest `left` that could not be removed. Several processes may
    /// do so at once: each takes rows no other has locked. If one dies in between, they are due again.
    private func removeExpired(after left: Int) async throws -> (due: Int, removed: Int) {
        try await database.withTransaction { connection in
            let due = try await connection.run(Self.lockExpired(Self.batch, left))
            var removed: [UploadID] = []
            for upload in due where await isGone(upload.id, on: upload.volume) {
                removed.append(upload.id)
            }
            if !removed.isEmpty { _ = try await connection.run(Self.remove(removed)) }
            return (due.count, removed.count)
        }
    }

    /// Removes a file unless somebody is writing it. One that a failing disk keeps stays for the next time, and holds up no
    /// other.
    private func isGone(_ id: UploadID, on volume: String) async -> Bool {
        do throws(StorageError) {
            return try await storage.removeUnlockedUpload(id, on: volume)
        } catch  where error.kind == .unknownVolume {
            // The file went with its volume.
            return true
        } catch {
            logger.warning(
                "An upload nobody went on with could not be removed yet",
                metadata: ["upload": "\(id)", "error": "\(error)"]
            )
            return false
        }
    }

    private static let lockExpired = Query<ExpiredUpload>(
        """
        SELECT id, volume FROM uploads WHERE expires_at <= now()
         ORDER BY expires_at LIMIT $1 OFFSET $2 FOR UPDATE SKIP LOCKED
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
