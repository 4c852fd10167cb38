import CRabbitMQ
import Foundation
import Glibc
import Logging
import Models
import ServiceLifecycle
import Testing

@testable import Messaging

/// The real broker the tests run against.
enum TestBroker {
    /// `TEST_AMQP_URL`: its address.
    static let url = ProcessInfo.processInfo.environment["TEST_AMQP_URL"]
    /// `TEST_BROKER_CONTROL`: a command that takes `stop` and `start`, and `alarm` and `calm` for its memory alarm.
    static let control = ProcessInfo.processInfo.environment["TEST_BROKER_CONTROL"]

    static func stop() async throws { try await run(control, "stop") }
    static func start() async throws { try await run(control, "start") }
    static func setAlarm(_ isOn: Bool) async throws { try await run(control, isOn ? "alarm" : "calm") }

    private static func run(_ command: String?, _ argument: String) async throws {
        let line = "\(try #require(command)) \(argument)"
        // Not Foundation's Process, which waits for the broker the command leaves running; and without our
        // output, which the broker would hold open after the tests have ended.
        let status = await withCheckedContinuation { continuation in
            Thread.detachNewThread { continuation.resume(returning: system("\(line) >/dev/null 2>&1 </dev/null")) }
        }
        try #require(status == 0, "\(line)")
    }
}

extension Integration {
    /// All tests of messaging.
    @Suite("Messaging", .serialized, .enabled(if: TestBroker.url != nil, "TEST_AMQP_URL is not set"))
    struct MessagingSuite {}
}

/// Exchanges and queues of one test's own, on the shared broker.
struct MessagingFixture {
    let settings: MessagingSettings
    var logger: Logger { Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }) }
    var topology: Topology { settings.topology }
    var queue: String { topology.queue(for: .image) }
    var deadLetters: String { topology.deadLetters }
    var events: String { topology.events }

    /// Runs `body` with fresh exchanges and queues, and deletes them.
    static func with(
        heartbeat: Duration = .seconds(10),
        publisherConnections: Int = 2,
        publishTimeout: Duration = .seconds(10),
        _ body: (MessagingFixture) async throws -> Void
    ) async throws {
        let settings = try MessagingSettings(
            url: try #require(TestBroker.url),
            topology: Topology(prefix: "test-\(UUID().uuidString.prefix(8))."),
            heartbeat: heartbeat,
            publisherConnections: publisherConnections,
            publishTimeout: publishTimeout
        )
        let fixture = MessagingFixture(settings: settings)
        do {
            try await body(fixture)
            try fixture.deleteAll()
        } catch {
            try fixture.deleteAll()
            throw error
        }
    }

    func publisher() -> Publisher { Publisher(settings: settings, logger: logger) }

    func consumer(
        of queue: String? = nil,
        prefetch: Int = 4,
        handle: @escaping @Sendable (Delivery) async -> DeliveryOutcome
    ) -> Consumer {
        Consumer(queue: queue ?? self.queue, prefetch: prefetch, settings: settings, logger: logger, handle: handle)
    }

    func message(_ text: String = "hello", to queue: String? = nil) -> Message {
        Message(exchange: "", routingKey: queue ?? self.queue, body: Array(text.utf8))
    }

    /// Runs a service until `body` ends, then stops it gracefully and waits for its end.
    func running(_ services: any Service..., body: () async throws -> Void) async throws {
        let group = ServiceGroup(configuration: .init(services: services.map { .init(service: $0) }, logger: logger))
        async let end: Void = group.run()
        do {
            for case let publisher as Publisher in services { try await eventually { publisher.state == .connected } }
            for case let consumer as Consumer in services { try await eventually { consumer.state == .connected } }
            try await body()
        } catch {
            await group.triggerGracefulShutdown()
            try await end
            throw error
        }
        await group.triggerGracefulShutdown()
        try await end
    }

    /// Does something on a connection of the test's own.
    func onConnection(_ body: (BrokerConnection) throws -> Void) throws {
        let connection = try BrokerConnection(settings, name: "test")
        try body(connection)
        connection.close()
    }

    /// Declares a queue that holds nothing, and says so instead of dropping messages.
    func declareFullQueue() throws -> String {
        let name = "\(queue).full"
        try onConnection { connection in
            let arguments = try connection.memory.table([
                "x-max-length": .number(0), "x-overflow": .text("reject-publish"),
            ])
            let text = try connection.memory.text(name)
            amqp_queue_declare(connection.state, BrokerConnection.channel, text, 0, 0, 0, 0, arguments)
            try connection.check(amqp_get_rpc_reply(connection.state), "declaring")
        }
        return name
    }

    func delete(queue: String) throws {
        try onConnection { connection in
            amqp_queue_delete(connection.state, BrokerConnection.channel, try connection.memory.text(queue), 0, 0)
        }
    }

    private func deleteAll() throws {
        for queue in topology.queues { try delete(queue: queue.name) }
        try delete(queue: "\(queue).full")
        try onConnection { connection in
            for exchange in topology.exchanges {
                let name = try connection.memory.text(exchange.name)
                amqp_exchange_delete(connection.state, BrokerConnection.channel, name, 0)
            }
        }
    }
}

extension Result<Void, MessagingError> {
    var isConfirmed: Bool { failure == nil }

    var failure: MessagingError? {
        switch self {
        case .success: nil
        case .failure(let error): error
        }
    }
}

/// Waits until something becomes true, and fails the test if it has not by then.
func eventually(
    within limit: Duration = .seconds(30),
    _ what: Comment? = nil,
    location: SourceLocation = #_sourceLocation,
    _ condition: () async throws -> Bool
) async throws {
    let end = ContinuousClock.now + limit
    while try await !condition() {
        try #require(ContinuousClock.now < end, what, sourceLocation: location)
        try await Task.sleep(for: .milliseconds(2))
    }
}
