/// Sends one connection's share of the messages, pipelined, and matches the broker's confirms to them.
final class PublisherSession: LinkSession {
    /// Messages sent in one go, before the broker's confirms are read again.
    private static let burst = 256

    private let connection: BrokerConnection
    private let link: Link
    private let outbox: Outbox
    private let window: Int
    private var confirms = Confirms()
    /// Why the message comes back whose header is next.
    private var returned: String?
    private var depth = DepthInquiry()
    private var blocked = false

    init(_ connection: BrokerConnection, link: Link, outbox: Outbox, settings: MessagingSettings)
        throws(BrokerFailure)
    {
        self.connection = connection
        self.link = link
        self.outbox = outbox
        window = settings.publishWindow
        try connection.declare(settings.topology)
        try connection.open(BrokerConnection.questionChannel)
        try connection.selectConfirms()
        outbox.open()
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
            depth.answer(ready)
        case .channelClosed(BrokerConnection.questionChannel, _):
            depth.answer(nil)
            try connection.reopenQuestionChannel()
        case .channelClosed(_, let reason), .connectionClosed(let reason):
            throw BrokerFailure(reason: reason)
        case .blocked(let reason):
            blocked = true
            link.setBlocked(reason)
            outbox.fail(.unavailable("blocked by an alarm: \(reason)"))
        case .unblocked:
            blocked = false
            link.setBlocked(nil)
            outbox.open()
        case .body, .delivered, .consumerCancelled, .queueEmpty, .other:
            break
        }
    }

    func advance(draining: Bool) throws(BrokerFailure) -> LinkStep {
        let now = ContinuousClock.now
        confirms.expire(at: now)
        outbox.expire(at: now)
        depth.expire(at: now)
        if draining {
            outbox.close(.unavailable("the process is stopping"))
            if outbox.isEmpty, confirms.count == 0 { return .finished }
        }
        if !blocked, !depth.isUnderWay, let question = outbox.takeQuestion() {
            depth.begin(question)
            try connection.askDepth(of: question.queue)
        }
        var sent = 0
        while !blocked, confirms.count < window {
            guard sent < Self.burst else { return .again }
            guard !outbox.isEmpty else { break }
            guard connection.hasRoom else { return wait(forRoom: true) }
            guard let pending = outbox.takeMessage() else { break }
            let tag = confirms.add(pending)
            try connection.publish(pending.message, id: tag)
            sent += 1
        }
        return wait(forRoom: false)
    }

    func end(_ reason: String) {
        let error = MessagingError.unavailable(reason)
        outbox.fail(error)
        confirms.failAll(error)
        depth.answer(nil)
    }

    private func wait(forRoom: Bool) -> LinkStep {
        let deadlines = [confirms.deadline, outbox.deadline, depth.deadline].compactMap(\.self)
        return .wait(until: deadlines.min(), forRoom: forRoom)
    }
}
