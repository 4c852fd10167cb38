import Blocking
import Hummingbird
import HummingbirdTesting
import NIOCore
import Testing

@testable import API

@Suite struct OnEventLoopTests {
    @Test("A request is handled on its connection's thread, and comes back to it from threads that block")
    func handledOnTheConnectionsThread() async throws {
        let threads = BlockingThreads(name: "test", count: 1)
        let blocker = Blocker()
        let router = Router(context: APIContext.self)
        router.get("/") { _, context in
            let loop = context.channel.eventLoop
            let first = loop.inEventLoop
            let onThreads = await threads.run { loop.inEventLoop }
            let second = loop.inEventLoop
            let inActor = await blocker.run { loop.inEventLoop }
            return "\(first) \(onThreads) \(second) \(inActor) \(loop.inEventLoop)"
        }
        let application = Application(
            router: router,
            server: HTTPServer.builder(.init()),
            configuration: .init(address: .hostname("127.0.0.1", port: 0))
        )
        try await application.test(.live) { client in
            let response = try await client.execute(uri: "/", method: .get)
            #expect(String(buffer: response.body) == "true false true false true")
        }
    }
}

/// As a connection of the database is.
private actor Blocker {
    private nonisolated let thread = BlockingThread(name: "test")
    nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

    func run<Result: Sendable>(_ body: @Sendable () -> Result) -> Result { body() }
}
