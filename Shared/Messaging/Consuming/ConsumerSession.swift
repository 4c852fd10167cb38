/// A delivery as its connection knows it.
struct ReceivedDelivery: Sendable {
    let connection: Int
    let tag: UInt64
    let delivery: Delivery
}

/// Takes the messages of one queue from one connection, and settles them as their handlers decide.
final class ConsumerSession: LinkSession {
    /// Far above what anyone here publishes; what is larger goes to the dead letters, unread.
    private static let maximumBodyBytes = 1 << 20

    private let connection: BrokerConnection
    private let number: Int
    private let settlements: Settlements
    private let deliver: (ReceivedDelivery) -> Void
    private var arriving: ArrivingMessage?
    private var isCancelled = false

    init(
        _ connection: BrokerConnection,
        source: Consumer.Source,
        prefetch: Int,
        topology: Topology,
        settlements: Settlements,
        deliver: @escaping (ReceivedDelivery) -> Void
    ) throws(BrokerFailure) {
        self.connection = connection
        self.settlements = settlements
        self.deliver = deliver
        number = settlements.beginConnection()
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
            arriving = ArrivingMessage(
                tag: tag,
                redelivered: redelivered,
                routingKey: routingKey,
                keeping: Self.maximumBodyBytes
            )
        case .header(let header):
            arriving?.begin(header)
            try deliverIfComplete()
        case .body(let bytes):
            arriving?.append(bytes)
            try deliverIfComplete()
        case .consumerCancelled:
            throw BrokerFailure(reason: "the broker ended the consumer: its queue was deleted or lost its leader")
        case .channelClosed(_, let reason), .connectionClosed(let reason):
            throw BrokerFailure(reason: reason)
        case .confirmed, .refused, .returned, .queueEmpty, .queueDeclared, .blocked, .unblocked, .other:
            break
        }
    }

    func advance(draining: Bool) throws(BrokerFailure) -> LinkStep {
        if draining, !isCancelled {
            isCancelled = true
            try connection.cancelConsumer()
        }
        while !settlements.isEmpty {
            guard connection.hasRoom else { return .wait(until: nil, forRoom: true) }
            guard let settlement = settlements.take() else { break }
            try connection.settle(settlement.tag, settlement.outcome)
        }
        return draining && settlements.isFinished ? .finished : .wait(until: nil, forRoom: false)
    }

    func end(_ reason: String) {
        _ = settlements.beginConnection()
    }

    private func deliverIfComplete() throws(BrokerFailure) {
        guard let message = arriving, message.isComplete else { return }
        arriving = nil
        guard message.isWhole else {
            try connection.settle(message.tag, .reject)
            return
        }
        let delivery = Delivery(
            body: message.body,
            redelivered: message.redelivered,
            routingKey: message.routingKey,
            earlierDeliveries: message.header?.earlierDeliveries
        )
        deliver(ReceivedDelivery(connection: number, tag: message.tag, delivery: delivery))
    }
}
