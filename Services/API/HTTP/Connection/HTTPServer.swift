import CLinux
import Glibc
import Hummingbird
import HummingbirdCore
import Logging
import NIOCore
import ServiceLifecycle
import Synchronization

/// Listens, and gives each connection its handlers.
struct HTTPServer: Service {
    let settings: APISettings
    let responder: RouterResponder<APIContext>
    let drain: ListenerDrain
    let logger: Logger

    /// More than the headers of any client of ours.
    static let maximumHeaderBytes = 32 << 10
    static let maximumHeaders = 100

    func run() async throws {
        // A connection is idle while a phone pauses, and also while a disk stalls: a little more than the promise.
        let idle = TimeAmount.seconds(settings.packetTimeout.components.seconds + 10)
        let configuration = HTTP1Channel.Configuration(
            additionalChannelHandlers: Self.handlers(writeTimeout: idle, logger: logger),
            idleTimeout: idle,
            httpDecoderConfiguration: .init(
                maxHeaderFieldSize: Self.maximumHeaderBytes,
                maxHeaderListSize: Self.maximumHeaderBytes,
                maxHeaderFieldCount: Self.maximumHeaders
            )
        )
        let application = Application(
            responder: responder,
            server: Self.builder(configuration),
            configuration: .init(address: .hostname(settings.host, port: settings.port), serverName: nil),
            onServerRunning: { [drain] in drain.opened($0) },
            logger: logger
        )
        try await application.run()
    }

    static func builder(_ configuration: HTTP1Channel.Configuration) -> HTTPServerBuilder {
        HTTPServerBuilder { OnEventLoop(base: HTTP1Channel(responder: $0, configuration: configuration)) }
    }

    /// The handlers between the HTTP codec and the framework, the codec's neighbour first. Requests pass them in this
    /// order, responses and `close` in the reverse one.
    static func handlers(writeTimeout: TimeAmount, logger: Logger) -> [any RemovableChannelHandler] {
        [
            // Outermost for `close`: it delays those of all other handlers until the response is out.
            FlushBeforeCloseHandler(),
            // Sees every byte of a body that comes, also those that the next one throws away.
            UploadBackpressureHandler(),
            // Throws away what follows a refusal before the framework, which is done with the request, sees it.
            ExpectContinueHandler(),
            // What it answers is a refusal to the handler above.
            MalformedRequestHandler(logger: logger),
            // Next to the framework, whose writes alone it times: not the 100 and the `close` of the handlers above.
            WriteTimeoutHandler(limit: writeTimeout),
        ]
    }
}

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
