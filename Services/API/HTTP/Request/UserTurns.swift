import DequeModule
import HTTPTypes
import Models
import Synchronization

/// Lets few requests of one user be worked on at a time; the others wait in line. Whoever asks without end takes a part of
/// the machine, and the rest of it answers everybody else.
///
/// Uploads and downloads take no turn: they mostly wait for their client.
final class UserTurns: Sendable {
    /// How many of a user may wait: more than a browser or a well-made program asks at once.
    static let maximumWaiting = 200

    private typealias Turn = CheckedContinuation<Bool, Never>

    private struct Line {
        var running = 0
        var waiting: Deque<Turn> = []
    }

    private let limit: Int
    /// Of those users of whom a request is worked on.
    private let lines = Mutex<[UserID: Line]>([:])

    init(limit: Int) {
        self.limit = max(1, limit)
    }

    /// Runs `body` when its turn has come: first come, first served. Throws `too_many_requests` if too many wait.
    func take<Value>(_ user: UserID, _ body: () async throws -> Value) async throws -> Value {
        guard await begin(user) else { throw APIError.tooManyRequests }
        defer { end(user) }
        return try await body()
    }

    func waiting(of user: UserID) -> Int { lines.withLock { $0[user]?.waiting.count ?? 0 } }

    private func begin(_ user: UserID) async -> Bool {
        await withCheckedContinuation { turn in
            let isAllowed: Bool? = lines.withLock { lines in
                var line = lines[user] ?? Line()
                defer { lines[user] = line }
                if line.running < limit {
                    line.running += 1
                    return true
                }
                guard line.waiting.count < Self.maximumWaiting else { return false }
                line.waiting.append(turn)
                return nil
            }
            if let isAllowed { turn.resume(returning: isAllowed) }
        }
    }

    private func end(_ user: UserID) {
        let next: Turn? = lines.withLock { lines in
            guard var line = lines[user] else { return nil }
            let next = line.waiting.popFirst()
            // The next one takes the place of this one.
            if next == nil { line.running -= 1 }
            lines[user] = line.running > 0 ? line : nil
            return next
        }
        next?.resume(returning: true)
    }
}

extension APIError {
    static let tooManyRequests = APIError(
        .tooManyRequests,
        "too_many_requests",
        "Too many of your requests wait already. Send the next ones when those are answered."
    ).retry(after: 1)
}
