import Hummingbird
import Logging
import NIOCore
import ServiceLifecycle

/// The listening side: what the framework does not set by itself.
struct HTTPServer: Service {
    let settings: APISettings
    let responder: RouterResponder<APIContext>
    let entrance: Entrance
    let logger: Logger

    /// More headers than any client of ours sends.
    private static let maximumHeaderBytes = 32 << 10

    func run() async throws {
        // A connection is idle while a phone pauses, and also while a disk stalls: a little more than the promise.
        let idle = TimeAmount.seconds(settings.packetTimeout.components.seconds + 10)
        let application = Application(
            responder: responder,
            server: .http1(
                configuration: .init(
                    additionalChannelHandlers: [
                        OrderlyClose(), ReceiveWindow(), BodyHandshake(), AnswerPace(limit: idle),
                    ],
                    idleTimeout: idle,
                    httpDecoderConfiguration: .init(
                        maxHeaderFieldSize: Self.maximumHeaderBytes,
                        maxHeaderListSize: Self.maximumHeaderBytes,
                        maxHeaderFieldCount: 100
                    )
                )
            ),
            configuration: .init(address: .hostname(settings.host, port: settings.port), serverName: nil),
            onServerRunning: { [entrance] in entrance.opened($0) },
            logger: logger
        )
        try await application.run()
    }
}
