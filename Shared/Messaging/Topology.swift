public import Models

/// The exchanges and queues of the suite: every publisher and consumer declares them all as it connects,
/// so that none depends on another's having started first.
///
/// A queue's arguments cannot be changed later: the broker closes the channel of who declares others.
/// So names carry a version; to change an argument, raise it.
public struct Topology: Sendable {
    /// The topic exchange of what happens (`asset.updated`, `export.updated`).
    public static let events = tolva.events
    /// The queue where messages end that nothing could handle.
    public static let deadLetters = tolva.deadLetters

    static let tolva = Topology(prefix: "")

    let events: String
    let deadLetters: String
    let deadLetterExchange: String
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
}

extension Topology {
    struct Exchange {
        let name: String
        let type: String
    }

    struct Queue {
        let name: String
        let arguments: [String: FieldValue]
    }

    struct Binding {
        let queue: String
        let exchange: String
    }

    var exchanges: [Exchange] {
        [Exchange(name: events, type: "topic"), Exchange(name: deadLetterExchange, type: "fanout")]
    }

    var queues: [Queue] {
        [Queue(name: deadLetters, arguments: deadLetterArguments)]
            + Job.Kind.allCases.map { Queue(name: queue(for: $0), arguments: workArguments) }
    }

    var bindings: [Binding] { [Binding(queue: deadLetters, exchange: deadLetterExchange)] }

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
    static let listenerArguments: [String: FieldValue] = [
        "x-max-length": .number(10_000),
        "x-overflow": .text("drop-head"),
    ]
}
