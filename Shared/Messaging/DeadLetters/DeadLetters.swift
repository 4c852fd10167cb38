/// The queue of the messages that nothing could handle, for the operator.
public struct DeadLetters: Sendable {
    /// What becomes of one.
    public enum Verdict: Sendable {
        /// It stays where it is.
        case keep
        /// The broker forgets it.
        case remove
    }

    private let settings: MessagingSettings

    /// Looks at the dead letters of a broker.
    public init(settings: MessagingSettings) {
        self.settings = settings
    }

    /// Shows the dead letters one after the other, the oldest first.
    ///
    /// Nobody else sees one that was shown until the last has been; those that are kept then go back, however this ends.
    ///
    /// - Parameters:
    ///   - limit: How many at most.
    ///   - decide: Says what becomes of one, within a few seconds: the broker closes a connection that is silent for
    ///     longer than its heartbeat allows.
    /// - Throws: `MessagingError`, and what `decide` throws. Those that were removed before stay removed.
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

    /// Removes all of them.
    ///
    /// - Returns: How many there were.
    /// - Throws: `MessagingError`.
    public func purge() async throws(MessagingError) -> Int {
        let reader = DeadLetterReader(settings: settings)
        try await reader.open()
        let count = try await reader.purge()
        try await reader.close()
        return count
    }
}
