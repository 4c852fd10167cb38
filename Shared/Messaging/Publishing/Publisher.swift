import Blocking
public import Logging
public import Models
public import ServiceLifecycle
import Synchronization

/// Publishes through a pool of connections, and waits for the broker's confirms.
///
/// Many calls at once share the connections: their messages are pipelined, up to a window of unconfirmed
/// ones a connection, past which callers wait. Nothing is kept for a broker that is away or blocked by an
/// alarm: a publish then fails at once, and every publish ends within the time limit (10 s), confirmed or
/// not. A job's row in the database is its outbox.
public final class Publisher: Sendable, Service {
    private static let answerTimeout: Duration = .seconds(5)

    private struct Lane {
        let link: Link
        let outbox = Outbox()
    }

    private let settings: MessagingSettings
    private let lanes: [Lane]
    private let turn = Atomic(0)
    private let metrics = PublisherMetrics()

    /// Prepares the pool; `run` connects it.
    public init(settings: MessagingSettings, logger: Logger) {
        self.settings = settings
        lanes = (1...settings.publisherConnections).map { number in
            Lane(link: Link(name: "publisher-\(number)", settings: settings, logger: logger))
        }
    }

    /// Publishes one message; returns when the broker has stored it in its queues.
    ///
    /// Cancelling the task does not end the wait: whether the message arrived would remain unknown.
    ///
    /// - Parameter message: The message.
    /// - Throws: `MessagingError`, within the time limit.
    public func publish(_ message: Message) async throws(MessagingError) {
        try await publish(batch: [message])[0].get()
    }

    /// Publishes messages side by side; gives the outcome of each, in their order.
    public func publish(_ messages: [Message]) async -> [Result<Void, MessagingError>] {
        var results: [Result<Void, MessagingError>] = []
        results.reserveCapacity(messages.count)
        var rest = messages[...]
        while !rest.isEmpty {
            // A window at a time, so that a batch neither fills the outbox nor times out behind itself.
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
            let question = DepthQuestion(queue: queue, deadline: .now + Self.answerTimeout) { ready in
                continuation.resume(returning: ready)
            }
            if lane.outbox.ask(question) { lane.link.wake() }
        }
    }

    /// Blocked if any connection is, since an alarm is the whole broker's; else connected if any connection is.
    public var state: BrokerState {
        let states = lanes.map(\.link.state)
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
        try await withStopHandlers(lanes.map(\.link)) {
            try await withThrowingDiscardingTaskGroup { group in
                for lane in lanes {
                    group.addTask { [settings] in
                        try await threads.run { () throws(MessagingError) in
                            try lane.link.run { (connection) throws(BrokerFailure) in
                                try PublisherSession(
                                    connection,
                                    link: lane.link,
                                    outbox: lane.outbox,
                                    settings: settings
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
            var pending: [Pending] = []
            for (index, message) in messages.enumerated() {
                if let problem = message.problem {
                    batch.resolve(index, .failure(.refused(problem)))
                } else {
                    pending.append(
                        Pending(message: message, deadline: deadline) { batch.resolve(index, $0) }
                    )
                }
            }
            if lane.outbox.add(pending) { lane.link.wake() }
        }
    }

    /// The connections in turn, leaving out those that are down; none during an alarm, which the broker tells
    /// each connection only when that one publishes.
    private func nextLane() -> Lane? {
        let states = lanes.map(\.link.state)
        guard !states.contains(where: \.isBlocked) else { return nil }
        let start = turn.wrappingAdd(1, ordering: .relaxed).oldValue & Int.max
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
