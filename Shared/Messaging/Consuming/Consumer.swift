import Blocking
public import Logging
import Metrics
public import Models
public import ServiceLifecycle
import Synchronization

/// Takes messages from a queue and has them handled side by side.
///
/// A delivery is settled when its handler returns. If the connection is lost meanwhile, the handler goes on
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
    private let link: Link
    private let settlements = Settlements()
    private let isDraining = Atomic(false)
    private let counters: [DeliveryOutcome: Counter]

    /// Prepares a consumer of one of the topology's queues; `run` connects it.
    ///
    /// - Parameters:
    ///   - queue: Its name: `Topology.queue(for:)`.
    ///   - prefetch: How many deliveries are handled side by side, from 1 to 65 535.
    ///   - settings: Where the broker is.
    ///   - logger: Told of connections made and lost.
    ///   - handle: Handles one delivery. It is cancelled if the process must end before it is done.
    public convenience init(
        queue: String,
        prefetch: Int,
        settings: MessagingSettings,
        logger: Logger,
        handle: @escaping @Sendable (Delivery) async -> DeliveryOutcome
    ) {
        self.init(.queue(queue), prefetch: prefetch, settings: settings, logger: logger, handle: handle)
    }

    /// Prepares a listener to events, with a queue of its own that lives as long as its connection: events
    /// that happen while it is not connected pass it by.
    ///
    /// - Parameters:
    ///   - keys: What to listen to: names of events, or patterns (`asset.*`, `#`).
    ///   - prefetch: How many events are handled side by side; with 1 they are handled in their order.
    ///   - settings: Where the broker is.
    ///   - logger: Told of connections made and lost.
    ///   - handle: Handles one event.
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
        link = Link(name: "consumer-\(source.name)", settings: settings, logger: logger)
    }

    /// How it stands with the broker.
    public var state: BrokerState { link.state }

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
    /// deliveries, waits for the handlers under way, settles their deliveries and closes. Runs once.
    public func run() async throws {
        // A connection never has more than `prefetch` unsettled deliveries, so what the buffer drops is an
        // older connection's, which the broker delivers again anyway.
        let (deliveries, feed) = AsyncStream.makeStream(
            of: ReceivedDelivery.self,
            bufferingPolicy: .bufferingNewest(prefetch)
        )
        let threads = BlockingThreads(name: "amqp-consumer", count: 1)
        try await withStopHandlers([link]) {
            try await withGracefulShutdownHandler {
                async let connection: Void = threads.run { () throws(MessagingError) in
                    defer { feed.finish() }
                    try self.converse(feed)
                }
                await handleAll(deliveries)
                settlements.finish()
                link.wake()
                try await connection
            } onGracefulShutdown: {
                self.isDraining.store(true, ordering: .relaxed)
                feed.finish()
            }
        }
    }

    private func converse(_ feed: AsyncStream<ReceivedDelivery>.Continuation) throws(MessagingError) {
        try link.run { (connection) throws(BrokerFailure) in
            try ConsumerSession(
                connection,
                source: source,
                prefetch: prefetch,
                topology: settings.topology,
                settlements: settlements,
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
                guard !isDraining.load(ordering: .relaxed), settlements.isCurrent(received.connection) else { continue }
                group.addTask { await self.handle(received) }
                running += 1
            }
        }
    }

    private func handle(_ received: ReceivedDelivery) async {
        let outcome = await handle(received.delivery)
        counters[outcome]?.increment()
        settlements.add(.init(tag: received.tag, outcome: outcome), of: received.connection)
        link.wake()
    }
}
