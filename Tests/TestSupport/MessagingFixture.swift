import CRabbitMQ
import Foundation
public import Logging
import Models
public import ServiceLifecycle
public import Testing

@testable public import Messaging

/// Exchanges and queues of one test's own, on the shared broker.
public struct MessagingFixture: Sendable {
    public let settings: MessagingSettings
    public var logger: Logger { .quiet }
    public var topology: Topology { settings.topology }
    public var queue: String { topology.queue(for: .image) }
    public var deadLetters: String { topology.deadLetters }
    public var events: String { topology.events }

    /// Runs `body` with fresh exchanges and queues, and deletes them.
    public static func with(
        heartbeat: Duration = .seconds(10),
        publisherConnections: Int = 2,
        publishTimeout: Duration = .seconds(10),
        _ body: (MessagingFixture) async throws -> Void
    ) async throws {
        let settings = try MessagingSettings(
            url: try TestServer.broker.url,
            topology: Topology(prefix: "test-\(UUID().uuidString.prefix(8))."),
            heartbeat: heartbeat,
            publisherConnections: publisherConnections,
            publishTimeout: publishTimeout
        )
        let fixture = MessagingFixture(settings: settings)
        try await withCleanup {
            try await body(fixture)
        } cleanUp: {
            try fixture.deleteAll()
        }
    }

    /// The exchanges and queues the programs use, which every test shares.
    public init() throws {
        settings = try MessagingSettings(url: try TestServer.broker.url)
    }

    private init(settings: MessagingSettings) {
        self.settings = settings
    }

    public func publisher() -> Publisher { Publisher(settings: settings, logger: logger) }

    public func consumer(
        of queue: String? = nil,
        prefetch: Int = 4,
        handle: @escaping @Sendable (Delivery) async -> DeliveryOutcome
    ) -> Consumer {
        Consumer(queue: queue ?? self.queue, prefetch: prefetch, settings: settings, logger: logger, handle: handle)
    }

    public func message(_ text: String = "hello", to queue: String? = nil) -> Message {
        Message(exchange: "", routingKey: queue ?? self.queue, body: Array(text.utf8))
    }

    /// Runs a service until `body` ends, then stops it gracefully and waits for its end.
    public func running(_ services: any Service..., body: () async throws -> Void) async throws {
        let group = ServiceGroup(configuration: .init(services: services.map { .init(service: $0) }, logger: logger))
        let run = Task { try await group.run() }
        try await withCleanup {
            for case let publisher as Publisher in services {
                try await eventually("the publisher connects") { publisher.state == .connected }
            }
            for case let consumer as Consumer in services {
                try await eventually("the consumer connects") { consumer.state == .connected }
            }
            try await body()
        } cleanUp: {
            await group.triggerGracefulShutdown()
            try await run.value
        }
    }

    /// Expects so many ready messages in the queue, once nobody uses it any more.
    public func expectDepth(_ expected: Int, sourceLocation: SourceLocation = #_sourceLocation) async throws {
        let publisher = publisher()
        try await running(publisher) {
            try await eventually("\(expected) messages wait", within: .seconds(5), sourceLocation: sourceLocation) {
                await publisher.depth(of: queue) == expected
            }
        }
    }

    /// Declares a queue that holds nothing, and says so instead of dropping messages.
    public func declareFullQueue() throws -> String {
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

    public func delete(queue: String) throws {
        try onConnection { connection in
            amqp_queue_delete(connection.state, BrokerConnection.channel, try connection.memory.text(queue), 0, 0)
        }
    }

    /// Deletes every queue of its own with all that is in it.
    public func deleteQueues() throws {
        for queue in topology.queues { try delete(queue: queue.name) }
    }

    private func deleteAll() throws {
        try deleteQueues()
        try delete(queue: "\(queue).full")
        try onConnection { connection in
            for exchange in topology.exchanges {
                let name = try connection.memory.text(exchange.name)
                amqp_exchange_delete(connection.state, BrokerConnection.channel, name, 0)
            }
        }
    }

    /// Does something on a connection of the test's own.
    private func onConnection(_ body: (BrokerConnection) throws -> Void) throws {
        let connection = try BrokerConnection(settings, name: "test")
        try body(connection)
        connection.close()
    }
}

extension Result<Void, MessagingError> {
    public var isConfirmed: Bool { failure == nil }

    public var failure: MessagingError? {
        switch self {
        case .success: nil
        case .failure(let error): error
        }
    }
}
