import Blocking
public import Logging
import Metrics
public import Models
public import ServiceLifecycle
import Synchronization

public struct Message: Sendable {
    /// Messages carry ids and small events, so one always fits a socket's buffer.
    public static let maximumBodyBytes = 64 << 10
    /// AMQP writes the length of a name in one byte.
    private static let maximumNameBytes = 255

    /// Empty for the default exchange, whose routing keys are names of queues.
    public var exchange: String
    public var routingKey: String
    public var body: [UInt8]
    /// Survives a restart of the broker, where its queue does.
    public var persistent: Bool
    /// An error if no queue takes it; without this the broker drops it and confirms.
    public var mandatory: Bool

    public init(
        exchange: String,
        routingKey: String,
        body: [UInt8],
        persistent: Bool = true,
        mandatory: Bool = true
    ) {
        self.exchange = exchange
        self.routingKey = routingKey
        self.body = body
        self.persistent = persistent
        self.mandatory = mandatory
    }

    /// The message that announces a job: its id, as text, to the queue of its kind.
    public static func job(_ id: JobID, of kind: Job.Kind) -> Message {
        Message(exchange: "", routingKey: Topology.queue(for: kind), body: Array(id.description.utf8))
    }

    /// Nobody listening is not an error, and no disk keeps it.
    static func event(_ event: Event) -> Message {
        Message(
            exchange: Topology.events,
            routingKey: event.name,
            body: event.body,
            persistent: false,
            mandatory: false
        )
    }

    /// Why it cannot be sent at all; nil if it can.
    var problem: String? {
        if body.count > Self.maximumBodyBytes { return "its body is over \(Self.maximumBodyBytes) bytes" }
        let longest = max(exchange.utf8.count, routingKey.utf8.count)
        return longest > Self.maximumNameBytes ? "a name in it is over \(Self.maximumNameBytes) bytes" : nil
    }
}

/// Why a message was not confirmed.
///
/// Only `unroutable` and `refused` say that the broker does not have the message; after the others it
/// may have arrived. Job messages are announced again from their rows, so a caller need not retry.
public enum MessagingError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The broker is away, blocked by an alarm, or went away before it confirmed.
    case unavailable(String)
    /// The broker has no queue for it and gave it back.
    case unroutable(String)
    /// The broker did not take it (a full queue, a fault of its own), or it is too large to be sent.
    case refused(String)
    /// The broker did not confirm in time.
    case timeout

    /// One line for logs; never the broker's password.
    public var description: String {
        switch self {
        case .unavailable(let reason): "the broker is not available: \(reason)"
        case .unroutable(let reason): "the broker has no queue for the message: \(reason)"
        case .refused(let reason): "the message was refused: \(reason)"
        case .timeout: "the broker did not confirm in time"
        }
    }
}

/// Publishes through a pool of connections, and waits for the broker's confirms.
///
/// Many calls at once share the connections: their messages are pipelined, up to a window of unconfirmed
/// ones a connection, past which callers wait. Nothing is kept for a broker that is away or blocked by an
/// alarm: a publish then fails at once, and every publish ends within the time limit (10 s), confirmed or
/// not. A job's row in the database is its outbox.
public final class Publisher: Sendable, Service {
    private static let depthTimeout: Duration = .seconds(5)

    private struct Lane {
        let connection: ReconnectingConnection
        let queue = SendQueue()
    }

    private let settings: MessagingSettings
    private let lanes: [Lane]
    private let nextIndex = Atomic(0)
    private let metrics = PublisherMetrics()

    /// Prepares the pool; `run` connects it.
    public init(settings: MessagingSettings, logger: Logger) {
        self.settings = settings
        lanes = (1...settings.publisherConnections).map { number in
            Lane(connection: ReconnectingConnection(name: "publisher-\(number)", settings: settings, logger: logger))
        }
    }

    /// Publishes one message; returns when the broker has stored it in its queues, and throws within the time limit.
    ///
    /// Cancelling the task does not end the wait: whether the message arrived would remain unknown.
    public func publish(_ message: Message) async throws(MessagingError) {
        try await publish(batch: [message])[0].get()
    }

    /// Publishes messages side by side; gives the outcome of each, in their order.
    public func publish(_ messages: [Message]) async -> [Result<Void, MessagingError>] {
        var results: [Result<Void, MessagingError>] = []
        results.reserveCapacity(messages.count)
        var rest = messages[...]
        while !rest.isEmpty {
            // A window at a time, so that a batch neither fills the send queue nor times out behind itself.
            results += await publish(batch: rest.prefix(settings.publishWindow))
            rest = rest.dropFirst(settings.publishWindow)
        }
        return results
    }

    /// How many messages are ready in a queue; nil if that cannot be known now: the broker is away or
    /// blocked, or has no such queue.
    public func depth(of queue: String) async -> Int? {
        guard let lane = nextLane() else { return nil }
        return await withCheckedContinuation { continuation in
            let request = DepthRequest(queue: queue, deadline: .now + Self.depthTimeout) { ready in
                continuation.resume(returning: ready)
            }
            if lane.queue.add(request) { lane.connection.wake() }
        }
    }

    /// Blocked if any connection is, since an alarm is the whole broker's; else connected if any connection is.
    public var state: BrokerState {
        let states = lanes.map(\.connection.state)
        return states.first(where: \.isBlocked) ?? states.first { $0 == .connected } ?? states[0]
    }

    /// For a process that can go on without the broker: what it would announce waits in the database.
    public var readiness: DependencyStatus {
        switch state {
        case .connected: .ok
        case .blocked, .disconnected:
            .degraded("\(state); uploads are accepted and wait as queued until it is back")
        }
    }

    /// Connects, declares the topology, and again after each failure, until graceful shutdown; then waits for
    /// the confirms under way. Runs once.
    public func run() async throws {
        let threads = BlockingThreads(name: "amqp-publisher", count: lanes.count)
        try await withStopHandlers(lanes.map(\.connection)) {
            try await withThrowingDiscardingTaskGroup { group in
                for lane in lanes {
                    group.addTask { [settings] in
                        try await threads.run { () throws(MessagingError) in
                            try lane.connection.run { (connection) throws(BrokerFailure) in
                                try PublisherSession(
                                    connection,
                                    queue: lane.queue,
                                    settings: settings,
                                    onAlarm: lane.connection.setBlocked
                                )
                            }
                        }
                    }
                }
            }
        }
    }

    private func publish(batch: some Collection<Message>) async -> [Result<Void, MessagingError>] {
        let start = ContinuousClock.now
        let results = await outcomes(of: batch, deadline: start + settings.publishTimeout)
        metrics.record(results, since: start)
        return results
    }

    private func outcomes(
        of messages: some Collection<Message>,
        deadline: ContinuousClock.Instant
    ) async -> [Result<Void, MessagingError>] {
        guard let lane = nextLane() else {
            let error = MessagingError.unavailable(state.description)
            return messages.map { _ in .failure(error) }
        }
        return await withCheckedContinuation { continuation in
            let batch = Batch(count: messages.count) { continuation.resume(returning: $0) }
            var pending: [PendingMessage] = []
            for (index, message) in messages.enumerated() {
                if let problem = message.problem {
                    batch.resolve(index, .failure(.refused(problem)))
                } else {
                    pending.append(
                        PendingMessage(message: message, deadline: deadline) { batch.resolve(index, $0) }
                    )
                }
            }
            if lane.queue.add(pending) { lane.connection.wake() }
        }
    }

    /// The connections in turn, leaving out those that are down; none during an alarm, which the broker tells
    /// each connection only when that one publishes.
    private func nextLane() -> Lane? {
        let states = lanes.map(\.connection.state)
        guard !states.contains(where: \.isBlocked) else { return nil }
        let start = nextIndex.wrappingAdd(1, ordering: .relaxed).oldValue & Int.max
        for offset in lanes.indices {
            let index = (start % lanes.count + offset) % lanes.count
            if states[index] == .connected { return lanes[index] }
        }
        return nil
    }
}

/// The outcomes of messages that were published together, until the last is known.
private final class Batch: Sendable {
    private struct Progress {
        var results: [Result<Void, MessagingError>]
        var unresolved: Int
    }

    private let progress: Mutex<Progress>
    private let completion: @Sendable ([Result<Void, MessagingError>]) -> Void

    init(count: Int, completion: @escaping @Sendable ([Result<Void, MessagingError>]) -> Void) {
        progress = Mutex(Progress(results: Array(repeating: .success(()), count: count), unresolved: count))
        self.completion = completion
    }

    func resolve(_ index: Int, _ result: Result<Void, MessagingError>) {
        let results = progress.withLock { progress -> [Result<Void, MessagingError>]? in
            progress.results[index] = result
            progress.unresolved -= 1
            return progress.unresolved == 0 ? progress.results : nil
        }
        if let results { completion(results) }
    }
}

private struct PublisherMetrics: Sendable {
    private static func counter(_ outcome: String) -> Counter {
        Counter(label: "tolva_messaging_published", dimensions: [("outcome", outcome)])
    }

    private let confirmed = counter("confirmed")
    private let unavailable = counter("unavailable")
    private let unroutable = counter("unroutable")
    private let refused = counter("refused")
    private let timeout = counter("timeout")
    private let confirmWait = Timer(label: "tolva_messaging_confirm_wait")

    /// Counts the outcomes of messages that were published together; their wait is the last one's.
    func record(_ results: [Result<Void, MessagingError>], since start: ContinuousClock.Instant) {
        confirmWait.record(duration: .now - start)
        for result in results {
            switch result {
            case .success: confirmed.increment()
            case .failure(.unavailable): unavailable.increment()
            case .failure(.unroutable): unroutable.increment()
            case .failure(.refused): refused.increment()
            case .failure(.timeout): timeout.increment()
            }
        }
    }
}

/// Something that has happened, for whoever listens now. It carries ids; what changed is in the rows.
public struct Event: Sendable {
    /// The routing key on the exchange of events.
    public let name: String
    let body: [UInt8]

    /// `export.updated`: the state of an export, or of a part of it, is another than before.
    public static func exportUpdated(_ export: ExportID, of company: CompanyID) -> Event {
        Event(name: "export.updated", body: Array(#"{"company_id":"\#(company)","id":"\#(export)"}"#.utf8))
    }
}

/// Publishes events without anybody waiting for the broker: what it does not take is dropped, since the next event, or
/// the next look at the rows, tells the same.
public final class EventPublisher: Service {
    /// Past this many that wait, the oldest are dropped.
    private static let capacity = 1000

    private let publisher: Publisher
    private let logger: Logger
    private let events: AsyncStream<Event>
    private let continuation: AsyncStream<Event>.Continuation

    public init(publisher: Publisher, logger: Logger) {
        self.publisher = publisher
        self.logger = logger
        (events, continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(Self.capacity))
    }

    /// Returns at once.
    public func publish(_ event: Event) {
        continuation.yield(event)
    }

    /// Publishes what comes until graceful shutdown.
    public func run() async throws {
        for await event in events.cancelOnGracefulShutdown() {
            do {
                try await publisher.publish(.event(event))
            } catch {
                logger.debug("An event was not published", metadata: ["event": "\(event.name)", "error": "\(error)"])
            }
        }
    }
}

extension BrokerState {
    fileprivate var isBlocked: Bool {
        if case .blocked = self { true } else { false }
    }
}
