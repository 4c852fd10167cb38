import Hummingbird
import Logging
import NIOCore
import ServiceLifecycle

/// Listens, and gives each connection its handlers.
struct HTTPServer: Service {
    let settings: APISettings
    let responder: RouterResponder<APIContext>
    let drain: ListenerDrain
    let logger: Logger

    /// More than the headers of any client of ours.
    private static let maximumHeaderBytes = 32 << 10

    func run() async throws {
        // A connection is idle while a phone pauses, and also while a disk stalls: a little more than the promise.
        let idle = TimeAmount.seconds(settings.packetTimeout.components.seconds + 10)
        let application = Application(
            responder: responder,
            server: .http1(
                configuration: .init(
                    additionalChannelHandlers: Self.handlers(writeTimeout: idle),
                    idleTimeout: idle,
                    httpDecoderConfiguration: .init(
                        maxHeaderFieldSize: Self.maximumHeaderBytes,
                        maxHeaderListSize: Self.maximumHeaderBytes,
                        maxHeaderFieldCount: 100
                    )
                )
            ),
            configuration: .init(address: .hostname(settings.host, port: settings.port), serverName: nil),
            onServerRunning: { [drain] in drain.opened($0) },
            logger: logger
        )
        try await application.run()
    }

    /// The handlers between the HTTP codec and the framework, the codec's neighbour first. Requests pass them in this
    /// order, responses and `close` in the reverse one.
    static func handlers(writeTimeout: TimeAmount) -> [any RemovableChannelHandler] {
        [
            // Outermost for `close`: it delays those of all other handlers until the response is out.
            FlushBeforeCloseHandler(),
            // Sees every byte of a body that comes, also those that the next one throws away.
            UploadBackpressureHandler(),
            // Throws away what follows a refusal before the framework, which is done with the request, sees it.
            ExpectContinueHandler(),
            // Next to the framework, whose writes alone it times: not the 100 and the `close` of the handlers above.
            WriteTimeoutHandler(limit: writeTimeout),
        ]
    }
}
