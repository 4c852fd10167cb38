import CRabbitMQ
import Glibc

/// One connection to the broker, over librabbitmq; it belongs to the thread that made it.
///
/// Opening, declaring and closing wait for the broker's answers, each with a deadline. Everything after
/// that only sends, and takes what has arrived: `nextFrame` waits only if it is told to.
final class BrokerConnection {
    /// The channel messages travel on.
    static let channel: amqp_channel_t = 1
    /// The channel for questions whose answer may be that the broker closes it.
    static let questionChannel: amqp_channel_t = 2

    private static let connectTimeout = timeval(tv_sec: 5, tv_usec: 0)
    private static let answerTimeout = timeval(tv_sec: 10, tv_usec: 0)
    private static let closeTimeout = timeval(tv_sec: 2, tv_usec: 0)
    private static let sendTimeoutMilliseconds: Int32 = 10_000
    private static let maximumFrameBytes: Int32 = 131_072

    let state: amqp_connection_state_t
    let memory = CallMemory()
    private(set) var descriptor: Int32 = -1

    /// Connects, signs in and opens the message channel.
    ///
    /// - Parameters:
    ///   - settings: Where to, and the heartbeat.
    ///   - name: Shown in the broker's list of connections.
    /// - Throws: `BrokerFailure`; its reason never has the password.
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
        var patience = timeval(tv_sec: Int(seconds), tv_usec: Int(fraction / 1_000_000_000_000))
        let status = amqp_simple_wait_frame_noblock(state, &frame, &patience)
        guard status != AMQP_STATUS_TIMEOUT.rawValue else { return nil }
        try check(status, "reading")
        // The library's memory grows by each frame until it is told that the frame was used.
        defer { amqp_maybe_release_buffers_on_channel(state, frame.channel) }
        return Frame(frame)
    }

    /// Says goodbye and waits for the answer a moment; without an answer the connection ends all the same.
    func close() {
        var timeout = Self.closeTimeout
        _ = amqp_set_rpc_timeout(state, &timeout)
        _ = amqp_connection_close(state, AMQP_REPLY_SUCCESS)
    }

    func send(_ method: amqp_method_number_t, on channel: amqp_channel_t, _ fields: UnsafeMutableRawPointer)
        throws(BrokerFailure)
    {
        try check(amqp_send_method(state, channel, method, fields), "sending")
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
}
