/// One message from a queue.
public struct Delivery: Sendable {
    /// The payload.
    public let body: [UInt8]
    /// The broker has delivered it before; whether it was handled is unknown.
    public let redelivered: Bool
    /// What it was published with.
    public let routingKey: String
    /// How often a quorum queue has delivered it in vain before; nil from other queues.
    public let earlierDeliveries: Int?

    /// Makes a delivery; outside this module only tests of handlers do.
    public init(body: [UInt8], redelivered: Bool = false, routingKey: String = "", earlierDeliveries: Int? = nil) {
        self.body = body
        self.redelivered = redelivered
        self.routingKey = routingKey
        self.earlierDeliveries = earlierDeliveries
    }
}

/// What becomes of a delivery.
public enum DeliveryOutcome: String, CaseIterable, Sendable {
    /// Handled: the broker forgets it.
    case done
    /// Back to the queue, at once; the queue's delivery limit ends a loop of these.
    case requeue
    /// To the dead-letter queue.
    case reject
}
