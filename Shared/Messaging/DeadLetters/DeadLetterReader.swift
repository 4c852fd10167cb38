import Blocking

/// A connection that takes dead letters out one by one, on a thread of its own.
actor DeadLetterReader {
    private static let patience: Duration = .seconds(10)

    private nonisolated let thread = BlockingThread(name: "amqp-reader")
    private let settings: MessagingSettings
    private var connection: BrokerConnection?

    nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

    private var queue: String { settings.topology.deadLetters }

    init(settings: MessagingSettings) {
        self.settings = settings
    }

    func open() throws(MessagingError) {
        do {
            let connection = try BrokerConnection(settings, name: "dead letters")
            try connection.declare(settings.topology)
            self.connection = connection
        } catch {
            throw .unavailable(error.reason)
        }
    }

    /// The next one that nobody holds; nil if there is none.
    func next() throws(MessagingError) -> (tag: UInt64, letter: DeadLetter)? {
        try withConnection { (connection) throws(BrokerFailure) in
            try connection.ask(for: queue)
            guard let message = try receive(from: connection) else { return nil }
            return (message.tag, DeadLetter(message))
        }
    }

    func remove(_ tag: UInt64) throws(MessagingError) {
        try withConnection { (connection) throws(BrokerFailure) in try connection.settle(tag, .done) }
    }

    func purge() throws(MessagingError) -> Int {
        try withConnection { (connection) throws(BrokerFailure) in try connection.purge(queue) }
    }

    /// Gives back what was not removed.
    func close() throws(MessagingError) {
        try withConnection { (connection) throws(BrokerFailure) in
            try connection.closeChannel()
            connection.close()
        }
        connection = nil
    }

    private func receive(from connection: BrokerConnection) throws(BrokerFailure) -> ArrivingMessage? {
        var arriving: ArrivingMessage?
        while let frame = try connection.nextFrame(within: Self.patience) {
            switch frame {
            case .queueEmpty:
                return nil
            case .delivered(let tag, let redelivered, let routingKey):
                arriving = ArrivingMessage(
                    tag: tag,
                    redelivered: redelivered,
                    routingKey: routingKey,
                    keeping: DeadLetter.maximumBytes
                )
            case .header(let header):
                arriving?.begin(header)
            case .body(let bytes):
                arriving?.append(bytes)
            case .channelClosed(_, let reason), .connectionClosed(let reason):
                throw BrokerFailure(reason: reason)
            case .confirmed, .refused, .returned, .consumerCancelled, .queueDeclared, .blocked, .unblocked, .other:
                break
            }
            if let arriving, arriving.isComplete { return arriving }
        }
        throw BrokerFailure(reason: "reading \(queue): no answer within \(Self.patience)")
    }

    private func withConnection<Result>(
        _ body: (BrokerConnection) throws(BrokerFailure) -> Result
    ) throws(MessagingError) -> Result {
        guard let connection else { throw .unavailable("not connected") }
        do {
            return try body(connection)
        } catch {
            throw .unavailable(error.reason)
        }
    }
}
