/// Somebody wants to know how many messages are ready in a queue.
struct DepthQuestion: Sendable {
    let queue: String
    let deadline: ContinuousClock.Instant
    let resolve: @Sendable (Int?) -> Void
}

/// The question under way on a connection's question channel: one at a time, since a queue that does not
/// exist makes the broker close the channel, with all that was asked after it.
struct DepthInquiry {
    private var question: DepthQuestion?
    /// The broker owes an answer, perhaps to a question that was given up.
    private(set) var isUnderWay = false

    var deadline: ContinuousClock.Instant? { question?.deadline }

    mutating func begin(_ question: DepthQuestion) {
        self.question = question
        isUnderWay = true
    }

    mutating func answer(_ ready: Int?) {
        isUnderWay = false
        giveUp(with: ready)
    }

    mutating func expire(at now: ContinuousClock.Instant) {
        if let deadline, deadline <= now { giveUp(with: nil) }
    }

    private mutating func giveUp(with ready: Int?) {
        question?.resolve(ready)
        question = nil
    }
}
