import Synchronization

/// What callers want of one connection of the publisher, until its thread takes it.
///
/// It is open only while the connection is up: nothing waits here for a broker that is away.
final class Outbox: Sendable {
    /// Callers that may wait for a place in the window; beyond it the broker is too slow to be waited for.
    static let maximumWaiting = 20_000
    private static let maximumQuestions = 100

    private struct Contents {
        var closed: MessagingError? = .unavailable("not connected yet")
        var messages = FIFO<Pending>()
        var questions = FIFO<DepthQuestion>()
    }

    private let contents = Mutex(Contents())

    /// Puts messages in, or fails them if it is closed or full.
    ///
    /// - Returns: The thread may be asleep: wake it.
    func add(_ messages: [Pending]) -> Bool {
        let (error, wake) = contents.withLock { contents -> (MessagingError?, Bool) in
            if let closed = contents.closed { return (closed, false) }
            guard contents.messages.count + messages.count <= Self.maximumWaiting else {
                return (.unavailable("too many messages wait for it"), false)
            }
            let wasEmpty = contents.messages.isEmpty
            for message in messages { contents.messages.append(message) }
            return (nil, wasEmpty)
        }
        if let error {
            for message in messages { message.resolve(.failure(error)) }
        }
        return wake
    }

    /// Puts a question in, or answers it with nil; like `add`.
    func ask(_ question: DepthQuestion) -> Bool {
        let isTaken = contents.withLock { contents in
            guard contents.closed == nil, contents.questions.count < Self.maximumQuestions else { return false }
            contents.questions.append(question)
            return true
        }
        if !isTaken { question.resolve(nil) }
        return isTaken
    }

    func takeMessage() -> Pending? { contents.withLock { $0.messages.popFirst() } }
    func takeQuestion() -> DepthQuestion? { contents.withLock { $0.questions.popFirst() } }

    /// When the caller that has waited longest gives up.
    var deadline: ContinuousClock.Instant? {
        contents.withLock { contents in
            [contents.messages.first?.deadline, contents.questions.first?.deadline].compactMap(\.self).min()
        }
    }

    var isEmpty: Bool { contents.withLock { $0.messages.isEmpty } }

    func open() { contents.withLock { $0.closed = nil } }

    /// Takes nothing more. What is in stays, to be sent.
    func close(_ error: MessagingError) { contents.withLock { $0.closed = error } }

    /// Takes nothing more, and fails what is in.
    func fail(_ error: MessagingError) {
        let (messages, questions) = contents.withLock { contents in
            contents.closed = error
            return (contents.messages.removeAll(), contents.questions.removeAll())
        }
        for message in messages { message.resolve(.failure(error)) }
        for question in questions { question.resolve(nil) }
    }

    /// Gives up what has waited past its deadline.
    func expire(at now: ContinuousClock.Instant) {
        let (messages, questions) = contents.withLock { contents in
            var late: ([Pending], [DepthQuestion]) = ([], [])
            while let first = contents.messages.first, first.deadline <= now {
                late.0 += contents.messages.popFirst().map { [$0] } ?? []
            }
            while let first = contents.questions.first, first.deadline <= now {
                late.1 += contents.questions.popFirst().map { [$0] } ?? []
            }
            return late
        }
        for message in messages { message.resolve(.failure(.timeout)) }
        for question in questions { question.resolve(nil) }
    }
}
