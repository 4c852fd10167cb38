import CLinux
import Glibc
import Logging
import NIOCore
import ServiceLifecycle
import Synchronization

/// Stops new connections during shutdown, before the server stops; connections already established are served.
///
/// A listener that closes resets the connections it has not accepted yet, and a server that stops closes those that have
/// not sent a request yet. nginx may not repeat a request on another replica once it has begun to send it (a POST, or any
/// body that it does not buffer). So new connections are ignored first, the established ones get a grace period, and
/// only then the server stops.
final class ListenerDrain: Service {
    /// Longer than an accepted connection of nginx needs to send its request's head. A client whose SYN was ignored tries
    /// again after a second, TCP's first interval, and is then refused: nginx goes to another replica.
    private static let grace = TimeAmount.milliseconds(200)

    private let logger: Logger
    private let listener = Mutex<(any Channel)?>(nil)

    init(logger: Logger) {
        self.logger = logger
    }

    func opened(_ channel: any Channel) {
        listener.withLock { $0 = channel }
    }

    /// Waits for the shutdown, and then until the grace period is over.
    func run() async throws {
        try await gracefulShutdown()
        guard let channel = listener.withLock({ $0 }) else { return }
        do {
            try await channel.eventLoop.submit {
                _ = try channel.pipeline.syncOperations.withUnsafeTransportIfAvailable(of: CInt.self) {
                    var filter = linux_ignore_new_connections()
                    let size = socklen_t(MemoryLayout<sock_fprog>.size)
                    guard setsockopt($0, SOL_SOCKET, SO_ATTACH_FILTER, &filter, size) == 0 else {
                        throw IOError(errnoCode: errno, reason: "SO_ATTACH_FILTER")
                    }
                }
            }.get()
            try await channel.eventLoop.scheduleTask(in: Self.grace) {}.futureResult.get()
        } catch {
            // The server then stops without the drain.
            logger.warning("Who connects while this stops may be cut off", metadata: ["error": "\(error)"])
        }
    }
}
