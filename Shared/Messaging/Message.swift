public import Models

/// One message to publish.
public struct Message: Sendable {
    /// What `body` may hold. Messages carry ids and small events, so one always fits a socket's buffer.
    public static let maximumBodyBytes = 64 << 10
    /// AMQP writes the length of a name in one byte.
    static let maximumNameBytes = 255

    /// The exchange; empty for the default one, whose routing keys are names of queues.
    public var exchange: String
    /// What the exchange routes by.
    public var routingKey: String
    /// The payload.
    public var body: [UInt8]
    /// Survives a restart of the broker, where its queue does.
    public var persistent: Bool
    /// An error if no queue takes it; without this the broker drops it and confirms.
    public var mandatory: Bool

    /// Makes a message.
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

    /// An event for whoever listens now: nobody listening is not an error, and no disk keeps it.
    public static func event(_ name: String, body: [UInt8]) -> Message {
        Message(exchange: Topology.events, routingKey: name, body: body, persistent: false, mandatory: false)
    }

    /// Why it cannot be sent at all; nil if it can.
    var problem: String? {
        if body.count > Self.maximumBodyBytes { return "its body is over \(Self.maximumBodyBytes) bytes" }
        let longest = max(exchange.utf8.count, routingKey.utf8.count)
        return longest > Self.maximumNameBytes ? "a name in it is over \(Self.maximumNameBytes) bytes" : nil
    }
}
