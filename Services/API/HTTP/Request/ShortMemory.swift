import Synchronization

/// What the database answered less than a second ago, so that a user's requests in quick succession ask once.
///
/// Each replica remembers for itself: what one of them ends is over in the others within ``life``. That something is not
/// there is never remembered.
final class ShortMemory<Key: Hashable & Sendable, Value: Sendable>: Sendable {
    static var life: Duration { .seconds(1) }
    static var capacity: Int { 10_000 }

    private let answers = Mutex<[Key: (value: Value, until: ContinuousClock.Instant)]>([:])

    /// What is remembered; otherwise what `find` finds.
    func value<Failure: Error>(
        for key: Key,
        now: ContinuousClock.Instant = .now,
        _ find: () async throws(Failure) -> Value?
    ) async throws(Failure) -> Value? {
        if let known = answers.withLock({ $0[key] }), known.until > now { return known.value }
        guard let value = try await find() else { return nil }
        answers.withLock { answers in
            if answers.count >= Self.capacity { answers = answers.filter { $0.value.until > now } }
            // Still full of live ones: very many ask at once.
            if answers.count >= Self.capacity { answers = [:] }
            // It counts from before the question: that is how old the answer may be.
            answers[key] = (value, now + Self.life)
        }
        return value
    }

    var count: Int { answers.withLock { $0.count } }

    func forget(_ key: Key) {
        answers.withLock { $0[key] = nil }
    }
}
