import Blocking
import CRabbitMQ
import DequeModule
public import Logging
import Metrics
public import Models
public import ServiceLifecycle
import Synchronization

public struct Delivery: Sendable {
    public let body: [UInt8]
    /// The broker has delivered it before; whether it was handled is unknown.
    public let redelivered: Bool
    /// What it was published with: of an event its name.
    public let routingKey: String

    /// Outside this module only tests of handlers make one.
    public init(body: [UInt8], redelivered: Bool = false, routingKey: String = "") {
        self.body = body
        self.redelivered = redelivered
        self.routingKey = routingKey
    }
}

public enum DeliveryOutcome: String, CaseIterable, Sendable {
    /// Handled: the broker forgets it.
    case done
    /// Back to the queue, at once; the queue's delivery limit ends a loop of these.
    case requeue
    /// To the dead-letter queue.
    case reject
}

/// Takes messages from a queue and has them handled side by side.
///
/// A delivery is acknowledged when its handler returns. If the connection is lost meanwhile, the handler goes on
/// and its outcome is dropped: the broker delivers the message again, here or elsewhere, so handlers must
/// bear seeing a message twice (a job's lease sees to that).
public final class Consumer: Sendable, Service {
    enum Source: Sendable {
        case queue(String)
        case events([String])

        var name: String {
            switch self {
            case .queue(let queue): queue
            case .events: "events"
            }
        }
    }

    private let source: Source
    private let prefetch: Int
    private let settings: MessagingSettings
    private let handle: @Sendable (Delivery) async -> DeliveryOutcome
    private let connection: ReconnectingConnection
    private let acknowledgements = Acknowledgements()
    private let isDraining = Atomic(false)
    private let counters: [DeliveryOutcome: Counter]

    /// Prepares a consumer of one of the topology's queues; `run` connects it. `prefetch` deliveries, from 1 to 65 535,
    /// are handled side by side; `handle` is cancelled if the process must end before it is done.
    public convenience init(
        queue: String,
        prefetch: Int,
        settings: MessagingSettings,
        logger: Logger,
        handle: @escaping @Sendable (Delivery) async -> DeliveryOutcome
    ) {
        self.init(.queue(queue), prefetch: prefetch, settings: settings, logger: logger, handle: handle)
    }

    /// Prepares a listener to events, with a queue of its own that lives as long as its connection: events that happen
    /// while it is not connected are lost to it.
    ///
    /// `keys` are names of events, or patterns (`asset.*`, `#`). `prefetch` events are handled side by side; with 1, in
    /// their order.
    public convenience init(
        events keys: [String],
        prefetch: Int = 1,
        settings: MessagingSettings,
        logger: Logger,
        handle: @escaping @Sendable (Delivery) async -> DeliveryOutcome
    ) {
        self.init(.events(keys), prefetch: prefetch, settings: settings, logger: logger, handle: handle)
    }

    private init(
        _ source: Source,
        prefetch: Int,
        settings: MessagingSettings,
        logger: Logger,
        handle: @escaping @Sendable (Delivery) async -> DeliveryOutcome
    ) {
        self.source = source
        self.prefetch = min(max(prefetch, 1), Int(UInt16.max))
        self.settings = settings
        self.handle = handle
        counters = Dictionary(
            uniqueKeysWithValues: DeliveryOutcome.allCases.map { outcome in
                let dimensions = [("queue", source.name), ("outcome", outcome.rawValue)]
                return (outcome, Counter(label: "tolva_messaging_deliveries", dimensions: dimensions))
            }
        )
        connection = ReconnectingConnection(name: "consumer-\(source.name)", settings: settings, logger: logger)
    }

    public var state: BrokerState { connection.state }

    /// For a process that gets its work from the broker.
    public var readiness: DependencyStatus {
        switch state {
        case .connected: .ok
        case .blocked(let reason): .degraded(reason)
        case .disconnected:
            .failed("\(state)", action: "See whether RabbitMQ runs and AMQP_URL is right; it reconnects by itself.")
        }
    }

    /// Connects, consumes, and again after each failure, until graceful shutdown; then takes no more
    /// deliveries, waits for the handlers under way, acknowledges their deliveries and closes. Runs once.
    public func run() async throws {
        // A connection never has more than `prefetch` deliveries that are not acknowledged, so what the buffer drops
        // is an older connection's, which the broker delivers again anyway.
        let (deliveries, feed) = AsyncStream.makeStream(
            of: ReceivedDelivery.self,
            bufferingPolicy: .bufferingNewest(prefetch)
        )
        let threads = BlockingThreads(name: "amqp-consumer", count: 1)
        try await withStopHandlers([connection]) {
            try await withGracefulShutdownHandler {
                async let end: Void = threads.run { () throws(MessagingError) in
                    defer { feed.finish() }
                    try self.consume(into: feed)
                }
                await handleAll(deliveries)
                acknowledgements.finish()
                connection.wake()
                try await end
            } onGracefulShutdown: {
                self.isDraining.store(true, ordering: .relaxed)
                feed.finish()
            }
        }
    }

    private func consume(into feed: AsyncStream<ReceivedDelivery>.Continuation) throws(MessagingError) {
        try connection.run { (connection) throws(BrokerFailure) in
            try ConsumerSession(
                connection,
                source: source,
                prefetch: prefetch,
                topology: settings.topology,
                acknowledgements: acknowledgements,
                deliver: { feed.yield($0) }
            )
        }
    }

    private func handleAll(_ deliveries: AsyncStream<ReceivedDelivery>) async {
        await withTaskGroup(of: Void.self) { group in
            var running = 0
            for await received in deliveries {
                // The previous connection's handlers may still be at work.
                if running == prefetch {
                    await group.next()
                    running -= 1
                }
                guard !isDraining.load(ordering: .relaxed), acknowledgements.isCurrent(received.connection) else {
                    continue
                }
                group.addTask { await self.handle(received) }
                running += 1
            }
        }
    }

    private func handle(_ received: ReceivedDelivery) async {
        let outcome = await handle(received.delivery)
        counters[outcome]?.increment()
        acknowledgements.add(received.tag, outcome, of: received.connection)
        connection.wake()
    }
}

/// A delivery as its connection knows it.
private struct ReceivedDelivery: Sendable {
    let connection: Int
    let tag: UInt64
    let delivery: Delivery
}

/// What became of deliveries, on the way from their handlers to the connection's thread.
private final class Acknowledgements: Sendable {
    private struct Contents {
        var connection = 0
        var waiting = Deque<(tag: UInt64, outcome: DeliveryOutcome)>()
        var areHandlersDone = false
    }

    private let contents = Mutex(Contents())

    /// Begins with a new connection; gives its number. What is still said of an older connection's
    /// deliveries is dropped: the broker has them back already, and delivers them again.
    @discardableResult
    func beginConnection() -> Int {
        contents.withLock { contents in
            contents.connection += 1
            contents.waiting.removeAll()
            return contents.connection
        }
    }

    func isCurrent(_ connection: Int) -> Bool { contents.withLock { $0.connection == connection } }

    func add(_ tag: UInt64, _ outcome: DeliveryOutcome, of connection: Int) {
        contents.withLock { contents in
            if contents.connection == connection { contents.waiting.append((tag, outcome)) }
        }
    }

    func take() -> (tag: UInt64, outcome: DeliveryOutcome)? { contents.withLock { $0.waiting.popFirst() } }

    var isEmpty: Bool { contents.withLock { $0.waiting.isEmpty } }

    /// No handler runs any more, and none will.
    func finish() { contents.withLock { $0.areHandlersDone = true } }

    var isFinished: Bool { contents.withLock { $0.areHandlersDone && $0.waiting.isEmpty } }
}

/// Takes the messages of one queue from one connection, and acknowledges them as their handlers decide.
private final class ConsumerSession: ConnectionSession {
    /// Far above what anyone here publishes; what is larger goes to the dead letters, unread.
    private static let maximumBodyBytes = 1 << 20

    private let connection: BrokerConnection
    private let number: Int
    private let acknowledgements: Acknowledgements
    private let deliver: (ReceivedDelivery) -> Void
    private var incoming: IncomingMessage?
    private var isCancelled = false

    init(
        _ connection: BrokerConnection,
        source: Consumer.Source,
        prefetch: Int,
        topology: Topology,
        acknowledgements: Acknowledgements,
        deliver: @escaping (ReceivedDelivery) -> Void
    ) throws(BrokerFailure) {
        self.connection = connection
        self.acknowledgements = acknowledgements
        self.deliver = deliver
        number = acknowledgements.beginConnection()
        try connection.declare(topology)
        switch source {
        case .queue(let queue):
            try connection.consume(queue, prefetch: prefetch)
        case .events(let keys):
            let queue = try connection.declareListener(to: topology.events, keys: keys)
            try connection.consume(queue, prefetch: prefetch)
        }
    }

    func receive(_ frame: Frame) throws(BrokerFailure) {
        switch frame {
        case .delivered(let tag, let redelivered, let routingKey):
            incoming = IncomingMessage(
                tag: tag,
                redelivered: redelivered,
                routingKey: routingKey,
                keeping: Self.maximumBodyBytes
            )
        case .header(let header):
            incoming?.begin(header)
            try deliverIfComplete()
        case .body(let bytes):
            incoming?.append(bytes)
            try deliverIfComplete()
        case .consumerCancelled:
            // RabbitMQ 4.3 says no more of a delivery that timed out than of a queue that is gone.
            throw BrokerFailure(
                reason: """
                    the broker ended the consumer: its queue was deleted or lost its leader, or a message was not \
                    acknowledged within the broker's consumer_timeout
                    """
            )
        case .channelClosed(_, let reason), .connectionClosed(let reason):
            throw BrokerFailure(reason: reason)
        case .confirmed, .refused, .returned, .queueEmpty, .queueDeclared, .blocked, .unblocked, .other:
            break
        }
    }

    func advance(draining: Bool) throws(BrokerFailure) -> SessionStep {
        if draining, !isCancelled {
            isCancelled = true
            try connection.cancelConsumer()
        }
        while !acknowledgements.isEmpty {
            guard connection.hasRoom else { return .wait(until: nil, forRoom: true) }
            guard let (tag, outcome) = acknowledgements.take() else { break }
            try connection.acknowledge(tag, outcome)
        }
        return draining && acknowledgements.isFinished ? .finished : .wait(until: nil, forRoom: false)
    }

    func end(_ reason: String) {
        acknowledgements.beginConnection()
    }

    private func deliverIfComplete() throws(BrokerFailure) {
        guard let message = incoming, message.isComplete else { return }
        incoming = nil
        guard message.isWhole else {
            try connection.acknowledge(message.tag, .reject)
            return
        }
        let delivery = Delivery(body: message.body, redelivered: message.redelivered, routingKey: message.routingKey)
        deliver(ReceivedDelivery(connection: number, tag: message.tag, delivery: delivery))
    }
}

extension BrokerConnection {
    /// One consumer a channel, so its name need only be known.
    private static let consumerTag = "tolva"

    /// Asks for the messages of a queue, at most `prefetch` at a time that are not acknowledged.
    fileprivate func consume(_ queue: String, prefetch: Int) throws(BrokerFailure) {
        defer { memory.clear() }
        amqp_basic_qos(state, Self.channel, 0, UInt16(prefetch), 0)
        try checkReply("setting the prefetch")
        try amqp_basic_consume(
            state,
            Self.channel,
            memory.text(queue),
            memory.text(Self.consumerTag),
            0,
            0,
            0,
            amqp_empty_table
        )
        try checkReply("consuming \(queue)")
    }

    /// Asks for no more deliveries; some may be under way.
    fileprivate func cancelConsumer() throws(BrokerFailure) {
        defer { memory.clear() }
        var cancel = amqp_basic_cancel_t(consumer_tag: try memory.text(Self.consumerTag), nowait: 0)
        try send(AMQP_BASIC_CANCEL_METHOD, on: Self.channel, &cancel)
    }

    func acknowledge(_ tag: UInt64, _ outcome: DeliveryOutcome) throws(BrokerFailure) {
        let status =
            switch outcome {
            case .done: amqp_basic_ack(state, Self.channel, tag, 0)
            case .requeue: amqp_basic_nack(state, Self.channel, tag, 0, 1)
            case .reject: amqp_basic_reject(state, Self.channel, tag, 0)
            }
        try check(status, "acknowledging a delivery")
    }
}
