import CRabbitMQ
import Foundation

/// A message whose frames are coming in, of which no more than a limit is kept.
struct IncomingMessage {
    let tag: UInt64
    let redelivered: Bool
    let routingKey: String
    private let maximumBytes: Int
    private(set) var header: ContentHeader?
    /// Its first bytes.
    private(set) var body: [UInt8] = []
    private(set) var bodyBytes: UInt64 = 0

    init(tag: UInt64, redelivered: Bool, routingKey: String, keeping maximumBytes: Int) {
        self.tag = tag
        self.redelivered = redelivered
        self.routingKey = routingKey
        self.maximumBytes = maximumBytes
    }

    var isComplete: Bool { header.map { bodyBytes >= $0.bodyBytes } ?? false }
    /// All of its body was kept.
    var isWhole: Bool { bodyBytes <= UInt64(maximumBytes) }

    mutating func begin(_ header: ContentHeader) {
        self.header = header
    }

    mutating func append(_ bytes: [UInt8]) {
        bodyBytes += UInt64(bytes.count)
        body += bytes.prefix(maximumBytes - body.count)
    }
}

/// The properties this module uses, of a message that follows.
struct ContentHeader {
    let bodyBytes: UInt64
    let messageID: String?
    /// The last time a queue gave it up; nil if none has.
    let death: Death?

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

// Fields lie in the library's memory: they are read before the next frame is.

extension ContentHeader {
    init(_ bodyBytes: UInt64, _ decoded: UnsafeMutableRawPointer) {
        self.bodyBytes = bodyBytes
        let properties = decoded.assumingMemoryBound(to: amqp_basic_properties_t.self).pointee
        func has(_ flag: Int32) -> Bool { properties._flags & amqp_flags_t(flag) != 0 }
        messageID = has(AMQP_BASIC_MESSAGE_ID_FLAG) ? String(properties.message_id) : nil
        let headers = has(AMQP_BASIC_HEADERS_FLAG) ? properties.headers : amqp_empty_table
        // The newest comes first.
        death = headers["x-death"]?.elements.first?.fields.map(Death.init)
    }
}

extension ContentHeader.Death {
    fileprivate init(_ fields: amqp_table_t) {
        queue = fields["queue"]?.text ?? ""
        reason = fields["reason"]?.text ?? ""
        times = fields["count"]?.integer ?? 1
        time = fields["time"]?.integer.map { Date(timeIntervalSince1970: Double($0)) }
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
