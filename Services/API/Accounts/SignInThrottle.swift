import Glibc
import Synchronization

/// Slows down whoever guesses passwords: five failures for one account from one network, or fifty from one network,
/// within fifteen minutes. The owner of an account signs in from elsewhere meanwhile, so that nobody locks out anybody.
///
/// Counts live in this process and are bounded; replicas count for themselves, so the limit grows with their number.
final class SignInThrottle: Sendable {
    static let failuresPerAccount = 5
    static let failuresPerNetwork = 50
    static let window: Duration = .seconds(900)
    static let capacity = 20_000

    private struct Count {
        var failures = 0
        var until: ContinuousClock.Instant
    }

    private enum Key: Hashable {
        case account(String, network: String)
        case network(String)
    }

    private let counts = Mutex<[Key: Count]>([:])

    /// Seconds to wait before the next try; nil if it may be made now.
    func pause(account: String, address: String, now: ContinuousClock.Instant = .now) -> Int? {
        counts.withLock { counts in
            let waits = Self.limits(account, address).compactMap { key, limit -> Int? in
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
            for (key, _) in Self.limits(account, address) {
                var count = counts[key].flatMap { $0.until > now ? $0 : nil } ?? Count(until: now + Self.window)
                count.failures += 1
                counts[key] = count
            }
        }
    }

    func succeeded(account: String, address: String) {
        counts.withLock { $0[.account(account.lowercased(), network: Self.network(of: address))] = nil }
    }

    /// What one subscriber of a provider has: an IPv4 address, or the 64 bits before the interface of an IPv6 address
    /// (RFC 4291, 2.5.4).
    static func network(of address: String) -> String {
        var bits = in6_addr()
        guard inet_pton(AF_INET6, address, &bits) == 1 else { return address }
        return withUnsafeBytes(of: bits) { bytes in
            let mapped = bytes.prefix(12).elementsEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF])
            guard !mapped else { return bytes.suffix(4).map(String.init).joined(separator: ".") }
            return bytes.prefix(8).map(String.init).joined(separator: ":")
        }
    }

    private static func limits(_ account: String, _ address: String) -> [(Key, Int)] {
        let network = network(of: address)
        return [
            (.account(account.lowercased(), network: network), failuresPerAccount),
            (.network(network), failuresPerNetwork),
        ]
    }
}
