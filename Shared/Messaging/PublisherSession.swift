import CRabbitMQ
import DequeModule
import Synchronization

/// A message whose publisher waits for its outcome.
struct PendingMessage: Sendable {
    let message: Message
    let deadline: ContinuousClock.Instant
    let resolve: @Sendable (Result<Void, MessagingError>) -> Void
}

/// A caller's question how many messages are ready in a queue.
struct DepthRequest: Sendable {
    let queue: String
    let deadline: ContinuousClock.Instant
    let resolve: @Sendable (Int?) -> Void
}

/// What callers want of one connection of the publisher, until its thread takes it.
///
/// It is open only while the connection is up: nothing waits here for a broker that is away.
final class SendQueue: Sendable {
    /// Callers that may wait for a place in the window; beyond it the broker is too slow to be waited for.
    static let maximumMessages = 20_000
    private static let maximumDepthRequests = 100

    private struct Contents {
        var closed: MessagingError? = .unavailable("not connected yet")
        var messages = Deque<PendingMessage>()
        var depthRequests = Deque<DepthRequest>()
    }

    private let contents = Mutex(Contents())

    /// Puts messages in, or fails them if it is closed or full. True if the thread may be asleep and has to be woken.
    func add(_ messages: [PendingMessage]) -> Bool {
        let (error, wake) = contents.withLock { contents -> (MessagingError?, Bool) in
            if let closed = contents.closed { return (closed, false) }
            guard contents.messages.count + messages.count <= Self.maximumMessages else {
                return (.unavailable("too many messages wait for it"), false)
            }
            let wasEmpty = contents.messages.isEmpty
            contents.messages.append(contentsOf: messages)
            return (nil, wasEmpty)
        }
        if let error {
            for message in messages { message.resolve(.failure(error)) }
        }
        return wake
    }

    /// Puts a request in, or answers it with nil; like `add` of messages.
    func add(_ request: DepthRequest) -> Bool {
        let isTaken = contents.withLock { contents in
            guard contents.closed == nil, contents.depthRequests.count < Self.maximumDepthRequests else { return false }
            contents.depthRequests.append(request)
            return true
        }
        if !isTaken { request.resolve(nil) }
        return isTaken
    }

    func takeMessage() -> PendingMessage? { contents.withLock { $0.messages.popFirst() } }
    func takeDepthRequest() -> DepthRequest? { contents.withLock { $0.depthRequests.popFirst() } }

    /// When the caller that has waited longest gives up.
    var deadline: ContinuousClock.Instant? {
        contents.withLock { contents in
            [contents.messages.first?.deadline, contents.depthRequests.first?.deadline].compactMap(\.self).min()
        }
    }

    /// No message waits.
    var isEmpty: Bool { contents.withLock { $0.messages.isEmpty } }

    func open() { contents.withLock { $0.closed = nil } }

    /// Takes nothing more. What is in stays, to be sent.
    func close(_ error: MessagingError) { contents.withLock { $0.closed = error } }

    /// Takes nothing more, and fails what is in.
    func fail(_ error: MessagingError) {
        let failed = contents.withLock { contents in
            defer { contents = Contents(closed: error) }
            return contents
        }
        for message in failed.messages { message.resolve(.failure(error)) }
        for request in failed.depthRequests { request.resolve(nil) }
    }

    /// Gives up what has waited past its deadline.
    func expire(at now: ContinuousClock.Instant) {
        let (messages, requests) = contents.withLock { contents in
            var late: ([PendingMessage], [DepthRequest]) = ([], [])
            while let first = contents.messages.first, first.deadline <= now {
                late.0.append(contents.messages.removeFirst())
            }
            while let first = contents.depthRequests.first, first.deadline <= now {
                late.1.append(contents.depthRequests.removeFirst())
            }
            return late
        }
        for message in messages { message.resolve(.failure(.timeout)) }
        for request in requests { request.resolve(nil) }
    }
}

/// Sends one connection's share of the messages, pipelined, and matches the broker's confirms to them.
final class PublisherSession: ConnectionSession {
    /// For questions whose answer may be that the broker closes the channel.
    private static let depthChannel: amqp_channel_t = 2
    /// Messages sent in one go, before the broker's confirms are read again.
    private static let burst = 256

    private let connection: BrokerConnection
    private let queue: SendQueue
    private let window: Int
    private let onAlarm: (String?) -> Void
    private var confirms = Confirms()
    /// Why the message comes back whose header is next.
    private var returned: String?
    /// One at a time, since a queue that does not exist makes the broker close the channel, with all that was asked
    /// after it.
    private var depthRequest: DepthRequest?
    /// The broker owes an answer, perhaps to a request that was given up.
    private var isDepthOwed = false
    private var isBlocked = false

    /// Declares the topology and opens the queue; after an error the connection is of no use. `onAlarm` is told why the
    /// broker takes no messages, and nil once it takes them again.
    init(
        _ connection: BrokerConnection,
        queue: SendQueue,
        settings: MessagingSettings,
        onAlarm: @escaping (String?) -> Void
    ) throws(BrokerFailure) {
        self.connection = connection
        self.queue = queue
        self.onAlarm = onAlarm
        window = settings.publishWindow
        try connection.declare(settings.topology)
        try connection.open(Self.depthChannel)
        // The broker confirms every message from now on, and counts them from 1.
        amqp_confirm_select(connection.state, BrokerConnection.channel)
        try connection.checkReply("asking for confirms")
        queue.open()
    }

    func receive(_ frame: Frame) throws(BrokerFailure) {
        switch frame {
        case .confirmed(let tag, let multiple):
            confirms.settle(tag, multiple: multiple, .success(()))
        case .refused(let tag, let multiple):
            confirms.settle(tag, multiple: multiple, .failure(.refused("the queue is full, or failed to store it")))
        case .returned(let reason):
            returned = reason
        case .header(let header):
            if let returned, let tag = header.messageID.flatMap({ UInt64($0) }) {
                confirms.markReturned(tag, reason: returned)
            }
            returned = nil
        case .queueDeclared(let ready):
            isDepthOwed = false
            resolveDepth(ready)
        case .channelClosed(Self.depthChannel, _):
            isDepthOwed = false
            resolveDepth(nil)
            try reopenDepthChannel()
        case .channelClosed(_, let reason), .connectionClosed(let reason):
            throw BrokerFailure(reason: reason)
        case .blocked(let reason):
            isBlocked = true
            onAlarm(reason)
            queue.fail(.unavailable("blocked by an alarm: \(reason)"))
        case .unblocked:
            isBlocked = false
            onAlarm(nil)
            queue.open()
        case .body, .delivered, .consumerCancelled, .queueEmpty, .other:
            break
        }
    }

    func advance(draining: Bool) throws(BrokerFailure) -> SessionStep {
        let now = ContinuousClock.now
        confirms.expire(at: now)
        queue.expire(at: now)
        if let deadline = depthRequest?.deadline, deadline <= now { resolveDepth(nil) }
        if draining {
            queue.close(.unavailable("the process is stopping"))
            if queue.isEmpty, confirms.count == 0 { return .finished }
        }
        if !isBlocked, !isDepthOwed, let request = queue.takeDepthRequest() {
            depthRequest = request
            isDepthOwed = true
            try askDepth(of: request.queue)
        }
        var sent = 0
        while !isBlocked, confirms.count < window {
            guard sent < Self.burst else { return .again }
            guard !queue.isEmpty else { break }
            guard connection.hasRoom else { return wait(forRoom: true) }
            guard let pending = queue.takeMessage() else { break }
            let tag = confirms.add(pending)
            try send(pending.message, id: tag)
            sent += 1
        }
        return wait(forRoom: false)
    }

    func end(_ reason: String) {
        let error = MessagingError.unavailable(reason)
        queue.fail(error)
        confirms.failAll(error)
        resolveDepth(nil)
    }

    private func wait(forRoom: Bool) -> SessionStep {
        let deadlines = [confirms.deadline, queue.deadline, depthRequest?.deadline].compactMap(\.self)
        return .wait(until: deadlines.min(), forRoom: forRoom)
    }

    /// The id comes back with the message if no queue takes it.
    private func send(_ message: Message, id: UInt64) throws(BrokerFailure) {
        defer { connection.memory.clear() }
        var properties = amqp_basic_properties_t()
        properties._flags = amqp_flags_t(AMQP_BASIC_DELIVERY_MODE_FLAG | AMQP_BASIC_MESSAGE_ID_FLAG)
        properties.delivery_mode = UInt8(
            message.persistent ? AMQP_DELIVERY_PERSISTENT.rawValue : AMQP_DELIVERY_NONPERSISTENT.rawValue
        )
        properties.message_id = try connection.memory.text(String(id))
        let status = try amqp_basic_publish(
            connection.state,
            BrokerConnection.channel,
            connection.memory.text(message.exchange),
            connection.memory.text(message.routingKey),
            message.mandatory ? 1 : 0,
            0,
            &properties,
            connection.memory.bytes(message.body)
        )
        try connection.check(status, "publishing")
    }

    /// The answer is `queueDeclared`, or, if there is no such queue, `channelClosed` of the depth channel.
    private func askDepth(of name: String) throws(BrokerFailure) {
        defer { connection.memory.clear() }
        var declare = amqp_queue_declare_t()
        declare.queue = try connection.memory.text(name)
        declare.passive = 1
        try connection.send(AMQP_QUEUE_DECLARE_METHOD, on: Self.depthChannel, &declare)
    }

    /// After the broker has closed it, without waiting for the answers.
    private func reopenDepthChannel() throws(BrokerFailure) {
        var closed = amqp_channel_close_ok_t()
        try connection.send(AMQP_CHANNEL_CLOSE_OK_METHOD, on: Self.depthChannel, &closed)
        var open = amqp_channel_open_t()
        try connection.send(AMQP_CHANNEL_OPEN_METHOD, on: Self.depthChannel, &open)
    }

    private func resolveDepth(_ ready: Int?) {
        depthRequest?.resolve(ready)
        depthRequest = nil
    }
}

/// The messages of one channel that are sent and not yet confirmed, by the tags the broker counts them with.
struct Confirms {
    private struct Entry {
        var pending: PendingMessage?
        var returned: String?
    }

    private var entries = Deque<Entry>()
    /// The tag of the first entry; the broker counts from 1.
    private var firstTag: UInt64 = 1

    /// How many wait, those included that are at an end themselves but stand behind one that is not.
    var count: Int { entries.count }
    /// When the oldest is given up; callers' deadlines come in the order they are sent.
    var deadline: ContinuousClock.Instant? { entries.first?.pending?.deadline }

    /// Notes a message that is sent now; gives its tag.
    mutating func add(_ pending: PendingMessage) -> UInt64 {
        entries.append(Entry(pending: pending))
        return firstTag + UInt64(entries.count) - 1
    }

    /// Notes that the broker gave a message back; its confirm is yet to come.
    mutating func markReturned(_ tag: UInt64, reason: String) {
        guard let offset = offset(of: tag) else { return }
        entries[offset].returned = reason
    }

    /// Ends the message of a tag, or all up to it. Tags that are no longer known were given up before.
    mutating func settle(_ tag: UInt64, multiple: Bool, _ outcome: Result<Void, MessagingError>) {
        if multiple {
            while firstTag <= tag, let entry = entries.popFirst() {
                firstTag += 1
                resolve(entry, outcome)
            }
        } else if let offset = offset(of: tag) {
            resolve(entries[offset], outcome)
            entries[offset].pending = nil
        }
        dropResolved()
    }

    /// Gives up what has waited past its deadline.
    mutating func expire(at now: ContinuousClock.Instant) {
        while let pending = entries.first?.pending, pending.deadline <= now {
            entries[0].pending = nil
            pending.resolve(.failure(.timeout))
            dropResolved()
        }
    }

    /// Ends all: their outcome will not be known.
    mutating func failAll(_ error: MessagingError) {
        firstTag += UInt64(entries.count)
        let failed = entries
        entries = []
        for entry in failed { entry.pending?.resolve(.failure(error)) }
    }

    private func offset(of tag: UInt64) -> Int? {
        guard tag >= firstTag, tag - firstTag < UInt64(entries.count) else { return nil }
        return Int(tag - firstTag)
    }

    private func resolve(_ entry: Entry, _ outcome: Result<Void, MessagingError>) {
        guard let reason = entry.returned, case .success = outcome else {
            entry.pending?.resolve(outcome)
            return
        }
        entry.pending?.resolve(.failure(.unroutable(reason)))
    }

    private mutating func dropResolved() {
        while let first = entries.first, first.pending == nil {
            entries.removeFirst()
            firstTag += 1
        }
    }
}
