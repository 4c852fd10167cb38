import Database
import Foundation
import Logging
import Models
import ServiceLifecycle
import Synchronization

/// The uploads this process is writing. Once a second it looks whether other processes want one of them.
final class UploadHolds: Service {
    private static let interval = Duration.seconds(1)

    private let uploads: UploadRepository
    private let logger: Logger
    private let holds = Mutex<[UUID: UploadHold]>([:])

    init(uploads: UploadRepository, logger: Logger) {
        self.uploads = uploads
        self.logger = logger
    }

    func add(_ hold: UploadHold) {
        holds.withLock { $0[hold.token] = hold }
    }

    func remove(_ hold: UploadHold) {
        holds.withLock { $0[hold.token] = nil }
    }

    /// Ends whatever this process is writing to an upload: a newer request wants it.
    func cut(_ upload: UploadID) {
        for hold in current where hold.upload.id == upload { hold.cut() }
    }

    /// Watches until the process is told to stop. Then every body is cut: what has arrived is recorded, and its client
    /// goes on with another process rather than with a connection that is about to go.
    func run() async throws {
        try? await cancelWhenGracefulShutdown {
            while true {
                try await Task.sleep(for: Self.interval)
                await self.look()
            }
        }
        for hold in current { hold.cut() }
    }

    private var current: [UploadHold] { Array(holds.withLock { $0.values }) }

    private func look() async {
        let current = current
        guard !current.isEmpty else { return }
        for hold in current { hold.startCheckpointIfDue() }
        do {
            let unwanted = try await uploads.unwanted(current.map { ($0.upload.id, $0.token) })
            // One that has ended meanwhile is not ours any more, and its connection may serve another request.
            for hold in self.current where unwanted.contains(hold.token) { hold.cut() }
        } catch {
            logger.warning("It is not known whether others want these uploads", metadata: ["error": "\(error)"])
        }
    }
}
