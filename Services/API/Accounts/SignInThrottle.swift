import Synchronization

/// Slows down whoever guesses passwords: five failures for one account, or fifty from one address, within
/// fifteen minutes.
///
/// Counts live in this process and are bounded; replicas count for themselves, so the limit grows with their number.
final class SignInThrottle: Sendable {
    static let failuresPerAccount = 5
    static let failuresPerAddress = 50
    static let window: Duration = .seconds(900)
    static let capacity = 20_000

    private struct Count {
        var failures = 0
        var until: ContinuousClock.Instant
    }

    private let counts = Mutex<[String: Count]>([:])

    /// Seconds to wait before the next try; nil if it may be made now.
    func pause(account: String, address: String, now: ContinuousClock.Instant = .now) -> Int? {
        counts.withLock { counts in
            let limits = [
                ("account \(account.lowercased())", Self.failuresPerAccount),
                ("address \(address)", Self.failuresPerAddress),
            ]
            let waits = limits.compactMap { key, limit -> Int? in
                guard let count = counts[key], count.until > now, count.failures >= limit else { return nil }
                return max(1, Int((count.until - now) / .seconds(1)))
            }
            return waits.max()
        }
    }

    func failed(account: String, address: String, now: ContinuousClock.Instant = .now) {
        counts.withLock { counts in
            if counts.count >= Self.capacity { counts = counts.filter { $0.value.until > now } }
            // Still full of live counts: somebody is trying very many accounts. Forgetting all is the bounded answer.
            if counts.count >= Self.capacity { counts = [:] }
            for key in ["account \(account.lowercased())", "address \(address)"] {
                var count = counts[key].flatMap { $0.until > now ? $0 : nil } ?? Count(until: now + Self.window)
                count.failures += 1
                counts[key] = count
            }
        }
    }

    func succeeded(account: String) {
        counts.withLock { $0["account \(account.lowercased())"] = nil }
    }
}
