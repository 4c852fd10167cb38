import Blocking
import CRabbitMQ
public import Foundation
public import Models

/// A message that nothing could handle.
public struct DeadLetter: Sendable {
    /// As much of a body as is kept: many times a job's id.
    static let maximumBytes = 1024

    /// The first bytes of its body, at most 1024.
    public let beginning: [UInt8]
    /// How many bytes its body has.
    public let bytes: Int
    /// The queue that gave it up; nil if it was published here, or the broker does not say.
    public let queue: String?
    /// Why, in the broker's word: `rejected`, `delivery_limit`, `expired` or `maxlen`.
    public let reason: String?
    /// How often that queue gave it up.
    public let times: Int
    /// When it did so last, to the second.
    public let diedAt: Date?

    /// The job it would announce; nil if its body is not a job's id.
    public var job: JobID? {
        guard bytes == beginning.count, let text = String(validating: beginning, as: UTF8.self) else { return nil }
        return JobID(text)
    }

    init(_ message: IncomingMessage) {
        beginning = message.body
        bytes = Int(message.bodyBytes)
        let death = message.header?.death
        queue = death?.queue
        reason = death?.reason
        times = death?.times ?? 0
        diedAt = death?.time
    }
}

/// The queue of the messages that nothing could handle, for the operator.
public struct DeadLetters: Sendable {
    /// What becomes of one.
    public enum Verdict: Sendable {
        case keep
        case remove
    }

    private let settings: MessagingSettings

    public init(settings: MessagingSettings) {
        self.settings = settings
    }

    /// Shows up to `limit` dead letters one after the other, the oldest first. Those removed before an error stay
    /// removed.
    ///
    /// Nobody else sees one that was shown until the last has been; those that are kept then go back, however this
    /// ends. `decide` has a few seconds: the broker closes a connection that is silent for longer than its heartbeat
    /// allows.
    public func visit(limit: Int = .max, _ decide: (DeadLetter) async throws -> Verdict) async throws {
        let reader = DeadLetterReader(settings: settings)
        try await reader.open()
        do {
            for _ in 0..<limit {
                guard let (tag, letter) = try await reader.next() else { break }
                if try await decide(letter) == .remove { try await reader.remove(tag) }
            }
        } catch {
            try? await reader.close()
            throw error
        }
        try await reader.close()
    }

    public func purge() async throws(MessagingError) -> Int {
        let reader = DeadLetterReader(settings: settings)
        try await reader.open()
        let count = try await reader.purge()
        try await reader.close()
        return count
    }
}

/// A connection that takes dead letters out one by one, on a thread of its own.
private actor DeadLetterReader {
    private static let answerTimeout: Duration = .seconds(10)

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
            defer { connection.memory.clear() }
            var get = amqp_basic_get_t()
            get.queue = try connection.memory.text(queue)
            try connection.send(AMQP_BASIC_GET_METHOD, on: BrokerConnection.channel, &get)
            guard let message = try receive(from: connection) else { return nil }
            return (message.tag, DeadLetter(message))
        }
    }

    func remove(_ tag: UInt64) throws(MessagingError) {
        try withConnection { (connection) throws(BrokerFailure) in try connection.acknowledge(tag, .done) }
    }

    /// Deletes those that nobody holds, and gives their number.
    func purge() throws(MessagingError) -> Int {
        try withConnection { (connection) throws(BrokerFailure) in
            defer { connection.memory.clear() }
            let name = try connection.memory.text(queue)
            let answer = amqp_queue_purge(connection.state, BrokerConnection.channel, name)
            let count = answer.map { Int($0.pointee.message_count) } ?? 0
            try connection.checkReply("purging the queue \(queue)")
            return count
        }
    }

    /// Gives back what was not removed.
    func close() throws(MessagingError) {
        try withConnection { (connection) throws(BrokerFailure) in
            try connection.closeChannel()
            connection.close()
        }
        connection = nil
    }

    private func receive(from connection: BrokerConnection) throws(BrokerFailure) -> IncomingMessage? {
        var incoming: IncomingMessage?
        while let frame = try connection.nextFrame(within: Self.answerTimeout) {
            switch frame {
            case .queueEmpty:
                return nil
            case .delivered(let tag, let redelivered, let routingKey):
                incoming = IncomingMessage(
                    tag: tag,
                    redelivered: redelivered,
                    routingKey: routingKey,
                    keeping: DeadLetter.maximumBytes
                )
            case .header(let header):
                incoming?.begin(header)
            case .body(let bytes):
                incoming?.append(bytes)
            case .channelClosed(_, let reason), .connectionClosed(let reason):
                throw BrokerFailure(reason: reason)
            case .confirmed, .refused, .returned, .consumerCancelled, .queueDeclared, .blocked, .unblocked, .other:
                break
            }
            if let incoming, incoming.isComplete { return incoming }
        }
        throw BrokerFailure(reason: "reading \(queue): no answer within \(Self.answerTimeout)")
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

extension ContentHeader {
    /// What the broker writes on a message it moves to the dead letters (RabbitMQ, "Dead Letter Exchanges", `x-death`).
    struct Death {
        let queue: String
        /// `rejected`, `delivery_limit`, `expired` or `maxlen`.
        let reason: String
        /// How often it died in that queue of that cause.
        let times: Int
        let time: Date?
    }
}

extension ContentHeader.Death {
    /// The newest of a message's deaths; nil if it has none.
    init?(_ headers: amqp_table_t) {
        guard let fields = headers["x-death"]?.elements.first?.fields else { return nil }
        queue = fields["queue"]?.text ?? ""
        reason = fields["reason"]?.text ?? ""
        times = fields["count"]?.integer ?? 1
        // Whoever may publish may write any time; those beyond the year 9999 are none.
        time = fields["time"]?.integer.flatMap {
            (0...253_402_300_799).contains($0) ? Date(timeIntervalSince1970: Double($0)) : nil
        }
    }
}

extension amqp_table_t {
    fileprivate subscript(key: String) -> amqp_field_value_t? {
        let entries = UnsafeBufferPointer(start: entries, count: Int(num_entries))
        return entries.first { String($0.key) == key }?.value
    }
}

extension amqp_field_value_t {
    private var type: amqp_field_value_kind_t { amqp_field_value_kind_t(rawValue: UInt32(kind)) }

    fileprivate var integer: Int? {
        switch type {
        case AMQP_FIELD_KIND_I8: Int(value.i8)
        case AMQP_FIELD_KIND_U8: Int(value.u8)
        case AMQP_FIELD_KIND_I16: Int(value.i16)
        case AMQP_FIELD_KIND_U16: Int(value.u16)
        case AMQP_FIELD_KIND_I32: Int(value.i32)
        case AMQP_FIELD_KIND_U32: Int(value.u32)
        case AMQP_FIELD_KIND_I64: Int(value.i64)
        case AMQP_FIELD_KIND_U64, AMQP_FIELD_KIND_TIMESTAMP: Int(exactly: value.u64)
        default: nil
        }
    }

    fileprivate var text: String? { type == AMQP_FIELD_KIND_UTF8 ? String(value.bytes) : nil }

    fileprivate var fields: amqp_table_t? { type == AMQP_FIELD_KIND_TABLE ? value.table : nil }

    fileprivate var elements: UnsafeBufferPointer<amqp_field_value_t> {
        guard type == AMQP_FIELD_KIND_ARRAY else { return UnsafeBufferPointer(start: nil, count: 0) }
        return UnsafeBufferPointer(start: value.array.entries, count: Int(value.array.num_entries))
    }
}
