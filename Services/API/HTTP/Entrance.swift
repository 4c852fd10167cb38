import CLinux
import Glibc
import Logging
import NIOCore
import ServiceLifecycle
import Synchronization

/// Where connections come in. As the process stops, those that have begun are let in, and no other begins.
///
/// A listener that closes resets the connections it has not accepted yet, and a server that stops closes those that have
/// not said yet what they want. nginx may not send either of them again once it has begun to (a POST, or any body that it
/// does not collect). So newcomers are ignored first, and the rest has a moment; then the server stops.
final class Entrance: Service {
    /// Longer than an accepted connection of nginx needs to send its request's head. Who was ignored tries again after a
    /// second, which is TCP's first interval, and is then refused: nginx goes to another replica.
    private static let moment = TimeAmount.milliseconds(200)

    private let logger: Logger
    private let listener = Mutex<(any Channel)?>(nil)

    init(logger: Logger) {
        self.logger = logger
    }

    /// Told of the listening socket once it is open.
    func opened(_ channel: any Channel) {
        listener.withLock { $0 = channel }
    }

    /// Waits until the process is told to stop, and then until nobody is left in the entrance.
    func run() async throws {
        try await gracefulShutdown()
        guard let channel = listener.withLock({ $0 }) else { return }
        do {
            try await channel.eventLoop.submit {
                _ = try channel.pipeline.syncOperations.withUnsafeTransportIfAvailable(of: CInt.self) {
                    var filter = linux_ignore_newcomers()
                    let size = socklen_t(MemoryLayout<sock_fprog>.size)
                    guard setsockopt($0, SOL_SOCKET, SO_ATTACH_FILTER, &filter, size) == 0 else {
                        throw IOError(errnoCode: errno, reason: "SO_ATTACH_FILTER")
                    }
                }
            }.get()
            try await channel.eventLoop.scheduleTask(in: Self.moment) {}.futureResult.get()
        } catch {
            // The server stops as it would have.
            logger.warning("Who connects while this stops may be cut off", metadata: ["error": "\(error)"])
        }
    }
}
