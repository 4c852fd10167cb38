import CRabbitMQ
public import Models

/// The exchanges and queues of the suite: every publisher and consumer declares them all as it connects,
/// so that none depends on another's having started first.
///
/// A queue's arguments cannot be changed later: the broker closes the channel of who declares others.
/// So names carry a version; to change an argument, raise it.
public struct Topology: Sendable {
    /// The topic exchange of what happens (`asset.updated`, `export.updated`).
    static let events = tolva.events
    /// The queue where messages end that nothing could handle.
    public static let deadLetters = tolva.deadLetters

    static let tolva = Topology(prefix: "")

    let events: String
    let deadLetters: String
    private let deadLetterExchange: String
    private let prefix: String

    /// Tests give a prefix, to share a broker without sharing its queues.
    init(prefix: String) {
        self.prefix = prefix
        events = "\(prefix)tolva.events"
        deadLetters = "\(prefix)tolva.dead.v2"
        deadLetterExchange = "\(prefix)tolva.dead.v1"
    }

    /// The queue of one kind of work.
    public static func queue(for kind: Job.Kind) -> String { tolva.queue(for: kind) }

    func queue(for kind: Job.Kind) -> String { "\(prefix)\(kind.rawValue).v1" }

    var exchanges: [(name: String, type: String)] { [(events, "topic"), (deadLetterExchange, "fanout")] }

    var queues: [(name: String, arguments: [String: FieldValue])] {
        [(deadLetters, deadLetterArguments)] + Job.Kind.allCases.map { (queue(for: $0), workArguments) }
    }

    var bindings: [(queue: String, exchange: String)] { [(deadLetters, deadLetterExchange)] }

    private var workArguments: [String: FieldValue] {
        [
            // Replicated and synced to disk before the confirm.
            "x-queue-type": .text("quorum"),
            // A message that kills its worker each time ends. High, since a deploy costs deliveries
            // too; the job's row counts the real attempts.
            "x-delivery-limit": .number(20),
            "x-dead-letter-exchange": .text(deadLetterExchange),
            // Without these two a message on its way to the dead letters can be lost.
            "x-dead-letter-strategy": .text("at-least-once"),
            "x-overflow": .text("reject-publish"),
            // Nothing grows without end: past this a publish is refused, and its row waits for the sweep.
            "x-max-length": .number(1_000_000),
        ]
    }

    private var deadLetterArguments: [String: FieldValue] {
        [
            "x-queue-type": .text("quorum"),
            // The oldest go first: refusing here would fill the work queues with what they cannot get rid of.
            "x-max-length": .number(100_000),
            "x-overflow": .text("drop-head"),
            // Listing them counts as a delivery, and past the limit they would be lost: since RabbitMQ 4.0 that is 20
            // unless said otherwise, and the -1 that means none there means 0 to older ones.
            "x-delivery-limit": .number(1_000_000_000),
        ]
    }

    /// For a queue of events that belongs to one consumer and goes with it: a listener that lags loses the
    /// oldest, as one that was away does.
    fileprivate static let listenerArguments: [String: FieldValue] = [
        "x-max-length": .number(10_000),
        "x-overflow": .text("drop-head"),
    ]
}

extension BrokerConnection {
    /// Declares exchanges, queues and bindings; those that exist as they should stay as they are.
    func declare(_ topology: Topology) throws(BrokerFailure) {
        for exchange in topology.exchanges { try declareExchange(exchange.name, type: exchange.type) }
        for queue in topology.queues { try declareQueue(queue.name, queue.arguments) }
        for binding in topology.bindings { try bind(binding.queue, to: binding.exchange, key: "") }
    }

    /// Declares a queue of this connection's own, which goes with it, and gives the name the broker chose.
    func declareListener(to exchange: String, keys: [String]) throws(BrokerFailure) -> String {
        defer { memory.clear() }
        let arguments = try memory.table(Topology.listenerArguments)
        let answer = amqp_queue_declare(state, Self.channel, amqp_empty_bytes, 0, 0, 1, 1, arguments)
        let name = answer.map { String($0.pointee.queue) } ?? ""
        try checkReply("declaring a queue for events")
        for key in keys { try bind(name, to: exchange, key: key) }
        return name
    }

    private func declareExchange(_ name: String, type: String) throws(BrokerFailure) {
        defer { memory.clear() }
        let (text, type) = (try memory.text(name), try memory.text(type))
        amqp_exchange_declare(state, Self.channel, text, type, 0, 1, 0, 0, amqp_empty_table)
        try checkReply("declaring the exchange \(name)")
    }

    private func declareQueue(_ name: String, _ arguments: [String: FieldValue]) throws(BrokerFailure) {
        defer { memory.clear() }
        let (text, arguments) = (try memory.text(name), try memory.table(arguments))
        amqp_queue_declare(state, Self.channel, text, 0, 1, 0, 0, arguments)
        try checkReply("declaring the queue \(name)")
    }

    private func bind(_ queue: String, to exchange: String, key: String) throws(BrokerFailure) {
        defer { memory.clear() }
        let (queueText, exchangeText) = (try memory.text(queue), try memory.text(exchange))
        try amqp_queue_bind(state, Self.channel, queueText, exchangeText, memory.text(key), amqp_empty_table)
        try checkReply("binding the queue \(queue)")
    }
}
