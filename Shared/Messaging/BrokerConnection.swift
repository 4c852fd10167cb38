import CRabbitMQ
import Glibc

/// Why a connection could not be made or has ended, in words for logs and readiness checks.
struct BrokerFailure: Error {
    let reason: String
}

/// One connection to the broker, over librabbitmq; it belongs to the thread that made it.
///
/// Opening, declaring and closing wait for the broker's answers, each with a deadline. Everything after
/// that only sends, and takes what has arrived: `nextFrame` waits only if it is told to.
final class BrokerConnection {
    /// The channel messages travel on.
    static let channel: amqp_channel_t = 1

    private static let connectTimeout = timeval(tv_sec: 5, tv_usec: 0)
    private static let answerTimeout = timeval(tv_sec: 10, tv_usec: 0)
    private static let closeTimeout = timeval(tv_sec: 2, tv_usec: 0)
    private static let sendTimeoutMilliseconds: Int32 = 10_000
    private static let maximumFrameBytes: Int32 = 131_072

    let state: amqp_connection_state_t
    let memory = CallMemory()
    private(set) var descriptor: Int32 = -1

    /// Connects, signs in and opens the message channel. `name` is shown in the broker's list of connections. An error
    /// never contains the password.
    init(_ settings: MessagingSettings, name: String) throws(BrokerFailure) {
        guard let state = amqp_new_connection() else { throw BrokerFailure(reason: "out of memory") }
        self.state = state
        try connect(settings.broker)
        try signIn(settings, name: name)
        try open(Self.channel)
    }

    deinit { amqp_destroy_connection(state) }

    private func connect(_ broker: BrokerAddress) throws(BrokerFailure) {
        guard let socket = amqp_tcp_socket_new(state) else { throw BrokerFailure(reason: "out of memory") }
        var timeout = Self.connectTimeout
        let status = amqp_socket_open_noblock(socket, broker.host, Int32(broker.port), &timeout)
        try check(status, "connecting to \(broker)")
        descriptor = amqp_get_sockfd(state)
        // The library waits without limit for space in the socket: a broker that stops reading, yet keeps
        // its side open, must not hold the thread for ever.
        var limit = Self.sendTimeoutMilliseconds
        let size = socklen_t(MemoryLayout<Int32>.size)
        guard setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_USER_TIMEOUT, &limit, size) == 0 else {
            throw BrokerFailure(reason: "setting the socket's time limit: \(String(cString: strerror(errno)))")
        }
    }

    private func signIn(_ settings: MessagingSettings, name: String) throws(BrokerFailure) {
        var timeout = Self.answerTimeout
        try check(amqp_set_handshake_timeout(state, &timeout), "setting the time limit of the handshake")
        try check(amqp_set_rpc_timeout(state, &timeout), "setting the time limit of answers")
        defer { memory.clear() }
        var properties = try memory.table([
            "connection_name": .text(name),
            // The broker announces its alarms, and the end of a consumer, only to those that ask.
            "capabilities": .table(["connection.blocked": .flag(true), "consumer_cancel_notify": .flag(true)]),
        ])
        let broker = settings.broker
        let reply = amqp_login_plain(
            state,
            broker.virtualHost,
            0,
            Self.maximumFrameBytes,
            Int32(settings.heartbeat.components.seconds),
            &properties,
            broker.user,
            broker.password
        )
        try check(reply, "signing in at \(broker)")
    }

    func open(_ channel: amqp_channel_t) throws(BrokerFailure) {
        amqp_channel_open(state, channel)
        try check(amqp_get_rpc_reply(state), "opening a channel")
    }

    /// The library has read bytes that polling the socket would not show.
    var hasBufferedInput: Bool { amqp_data_in_buffer(state) != 0 || amqp_frames_enqueued(state) != 0 }

    /// There is room in the socket for a message, so that sending one will not wait.
    var hasRoom: Bool {
        var entry = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        return poll(&entry, 1, 0) > 0
    }

    /// The next thing the broker said; nil if nothing has arrived within the limit. Also sends and checks
    /// heartbeats, which the library does only inside its calls: call it a few times in each interval.
    func nextFrame(within limit: Duration = .zero) throws(BrokerFailure) -> Frame? {
        var frame = amqp_frame_t()
        let (seconds, fraction) = limit.components
        var timeout = timeval(tv_sec: Int(seconds), tv_usec: Int(fraction / 1_000_000_000_000))
        let status = amqp_simple_wait_frame_noblock(state, &frame, &timeout)
        guard status != AMQP_STATUS_TIMEOUT.rawValue else { return nil }
        try check(status, "reading")
        // The library's memory grows by each frame until it is told that the frame was used.
        defer { amqp_maybe_release_buffers_on_channel(state, frame.channel) }
        return Frame(frame)
    }

    /// Sends a method whose answer, if it has one, comes as a frame.
    func send(_ method: amqp_method_number_t, on channel: amqp_channel_t, _ fields: UnsafeMutableRawPointer)
        throws(BrokerFailure)
    {
        try check(amqp_send_method(state, channel, method, fields), "sending")
    }

    /// Ends the message channel: what was acknowledged on it before has then arrived, and the rest goes back to its
    /// queues.
    func closeChannel() throws(BrokerFailure) {
        try check(amqp_channel_close(state, Self.channel, AMQP_REPLY_SUCCESS), "closing the channel")
    }

    /// Closes the connection in order; without an answer within 2 s it ends all the same.
    func close() {
        var timeout = Self.closeTimeout
        _ = amqp_set_rpc_timeout(state, &timeout)
        _ = amqp_connection_close(state, AMQP_REPLY_SUCCESS)
    }

    func check(_ status: Int32, _ action: String) throws(BrokerFailure) {
        guard status != AMQP_STATUS_OK.rawValue else { return }
        throw BrokerFailure(reason: "\(action): \(String(cString: amqp_error_string2(status)))")
    }

    func check(_ reply: amqp_rpc_reply_t, _ action: String) throws(BrokerFailure) {
        switch reply.reply_type {
        case AMQP_RESPONSE_NORMAL:
            return
        case AMQP_RESPONSE_SERVER_EXCEPTION where reply.reply.id == AMQP_CHANNEL_CLOSE_METHOD:
            let close = reply.reply.decoded.assumingMemoryBound(to: amqp_channel_close_t.self).pointee
            throw BrokerFailure(reason: "\(action): \(String(close.reply_text))")
        case AMQP_RESPONSE_SERVER_EXCEPTION where reply.reply.id == AMQP_CONNECTION_CLOSE_METHOD:
            let close = reply.reply.decoded.assumingMemoryBound(to: amqp_connection_close_t.self).pointee
            throw BrokerFailure(reason: "\(action): \(String(close.reply_text))")
        default:
            throw BrokerFailure(reason: "\(action): \(String(cString: amqp_error_string2(reply.library_error)))")
        }
    }

    /// Checks the broker's answer to the last call that waits for one.
    func checkReply(_ action: String) throws(BrokerFailure) {
        // Answers lie in the library's memory until it is told that they were used.
        defer { amqp_maybe_release_buffers(state) }
        try check(amqp_get_rpc_reply(state), action)
    }
}

/// What the broker says, copied out of the library's memory.
enum Frame {
    /// Messages up to a tag (or just that one) are stored.
    case confirmed(tag: UInt64, multiple: Bool)
    /// Messages up to a tag (or just that one) are not.
    case refused(tag: UInt64, multiple: Bool)
    /// A mandatory message comes back; its header follows, and its confirm after that.
    case returned(reason: String)
    /// A message for the consumer, or the one that was asked for; its header and body follow.
    case delivered(tag: UInt64, redelivered: Bool, routingKey: String)
    case header(ContentHeader)
    case body([UInt8])
    case consumerCancelled
    /// The queue that was asked for a message has none.
    case queueEmpty
    case queueDeclared(ready: Int)
    case channelClosed(channel: amqp_channel_t, reason: String)
    case connectionClosed(reason: String)
    case blocked(reason: String)
    case unblocked
    /// An answer nobody waits for.
    case other

    init(_ frame: amqp_frame_t) {
        switch Int32(frame.frame_type) {
        case AMQP_FRAME_METHOD:
            self = Self.method(frame.payload.method, channel: frame.channel)
        case AMQP_FRAME_HEADER:
            self = .header(ContentHeader(frame.payload.properties.body_size, frame.payload.properties.decoded))
        case AMQP_FRAME_BODY:
            let bytes = frame.payload.body_fragment
            self = .body(Array(UnsafeRawBufferPointer(start: bytes.bytes, count: bytes.len)))
        default:
            self = .other
        }
    }

    private static func method(_ method: amqp_method_t, channel: amqp_channel_t) -> Frame {
        func fields<Fields>(_ type: Fields.Type) -> Fields {
            method.decoded.assumingMemoryBound(to: type).pointee
        }
        switch method.id {
        case AMQP_BASIC_ACK_METHOD:
            let ack = fields(amqp_basic_ack_t.self)
            return .confirmed(tag: ack.delivery_tag, multiple: ack.multiple != 0)
        case AMQP_BASIC_NACK_METHOD:
            let nack = fields(amqp_basic_nack_t.self)
            return .refused(tag: nack.delivery_tag, multiple: nack.multiple != 0)
        case AMQP_BASIC_RETURN_METHOD:
            let returned = fields(amqp_basic_return_t.self)
            let address = "exchange \"\(String(returned.exchange))\", key \"\(String(returned.routing_key))\""
            return .returned(reason: "\(String(returned.reply_text)) (\(address))")
        case AMQP_BASIC_DELIVER_METHOD:
            let delivery = fields(amqp_basic_deliver_t.self)
            return .delivered(
                tag: delivery.delivery_tag,
                redelivered: delivery.redelivered != 0,
                routingKey: String(delivery.routing_key)
            )
        case AMQP_BASIC_GET_OK_METHOD:
            let message = fields(amqp_basic_get_ok_t.self)
            return .delivered(
                tag: message.delivery_tag,
                redelivered: message.redelivered != 0,
                routingKey: String(message.routing_key)
            )
        case AMQP_BASIC_GET_EMPTY_METHOD:
            return .queueEmpty
        case AMQP_BASIC_CANCEL_METHOD:
            return .consumerCancelled
        case AMQP_QUEUE_DECLARE_OK_METHOD:
            return .queueDeclared(ready: Int(fields(amqp_queue_declare_ok_t.self).message_count))
        case AMQP_CHANNEL_CLOSE_METHOD:
            return .channelClosed(channel: channel, reason: String(fields(amqp_channel_close_t.self).reply_text))
        case AMQP_CONNECTION_CLOSE_METHOD:
            return .connectionClosed(reason: String(fields(amqp_connection_close_t.self).reply_text))
        case AMQP_CONNECTION_BLOCKED_METHOD:
            return .blocked(reason: String(fields(amqp_connection_blocked_t.self).reason))
        case AMQP_CONNECTION_UNBLOCKED_METHOD:
            return .unblocked
        default:
            return .other
        }
    }
}

/// The properties this module uses, of a message that follows.
struct ContentHeader {
    let bodyBytes: UInt64
    let messageID: String?
    /// The last time a queue gave it up; nil if none has.
    let death: Death?
}

extension ContentHeader {
    /// `decoded` lies in the library's memory: it is read before the next frame is.
    init(_ bodyBytes: UInt64, _ decoded: UnsafeMutableRawPointer) {
        self.bodyBytes = bodyBytes
        let properties = decoded.assumingMemoryBound(to: amqp_basic_properties_t.self).pointee
        func has(_ flag: Int32) -> Bool { properties._flags & amqp_flags_t(flag) != 0 }
        messageID = has(AMQP_BASIC_MESSAGE_ID_FLAG) ? String(properties.message_id) : nil
        death = has(AMQP_BASIC_HEADERS_FLAG) ? Death(properties.headers) : nil
    }
}

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

/// A value of an AMQP table: arguments of queues, properties of clients.
enum FieldValue: Sendable {
    case text(String)
    case number(Int64)
    case flag(Bool)
    case table([String: FieldValue])
}

/// Memory for the texts and tables of one call into the library; it lives until the next `clear`.
struct CallMemory: ~Copyable {
    private let pool: UnsafeMutablePointer<amqp_pool_t>

    init() {
        pool = .allocate(capacity: 1)
        init_amqp_pool(pool, 4_096)
    }

    deinit {
        empty_amqp_pool(pool)
        pool.deallocate()
    }

    borrowing func clear() {
        recycle_amqp_pool(pool)
    }

    borrowing func text(_ text: String) throws(BrokerFailure) -> amqp_bytes_t {
        try bytes(text.utf8)
    }

    borrowing func bytes(_ source: some Collection<UInt8>) throws(BrokerFailure) -> amqp_bytes_t {
        guard !source.isEmpty else { return amqp_empty_bytes }
        let copy = try UnsafeMutableRawBufferPointer(start: allocate(source.count), count: source.count)
        copy.copyBytes(from: source)
        return amqp_bytes_t(len: copy.count, bytes: copy.baseAddress)
    }

    borrowing func table(_ fields: [String: FieldValue]) throws(BrokerFailure) -> amqp_table_t {
        guard !fields.isEmpty else { return amqp_empty_table }
        let size = fields.count * MemoryLayout<amqp_table_entry_t>.stride
        let entries = try allocate(size).bindMemory(to: amqp_table_entry_t.self, capacity: fields.count)
        for (index, field) in fields.enumerated() {
            entries[index] = amqp_table_entry_t(key: try text(field.key), value: try value(field.value))
        }
        return amqp_table_t(num_entries: Int32(fields.count), entries: entries)
    }

    private borrowing func value(_ value: FieldValue) throws(BrokerFailure) -> amqp_field_value_t {
        var field = amqp_field_value_t()
        switch value {
        case .text(let text):
            field.kind = UInt8(AMQP_FIELD_KIND_UTF8.rawValue)
            field.value.bytes = try self.text(text)
        case .number(let number):
            field.kind = UInt8(AMQP_FIELD_KIND_I64.rawValue)
            field.value.i64 = number
        case .flag(let flag):
            field.kind = UInt8(AMQP_FIELD_KIND_BOOLEAN.rawValue)
            field.value.boolean = flag ? 1 : 0
        case .table(let fields):
            field.kind = UInt8(AMQP_FIELD_KIND_TABLE.rawValue)
            field.value.table = try table(fields)
        }
        return field
    }

    private borrowing func allocate(_ size: Int) throws(BrokerFailure) -> UnsafeMutableRawPointer {
        guard let memory = amqp_pool_alloc(pool, size) else { throw BrokerFailure(reason: "out of memory") }
        return memory
    }
}

extension String {
    /// A copy of text that lies in the library's memory.
    init(_ bytes: amqp_bytes_t) {
        self.init(decoding: UnsafeRawBufferPointer(start: bytes.bytes, count: bytes.len), as: UTF8.self)
    }
}
