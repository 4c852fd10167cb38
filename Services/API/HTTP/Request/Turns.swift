import DequeModule
import HTTPTypes
import Synchronization

/// Lets few requests of one sender be worked on at a time; the others wait in line. Whoever asks without end takes a part
/// of the machine, and the rest of it answers everybody else.
///
/// Only work takes a turn: uploads and downloads mostly wait for their client, and so does a request whose body is not here
/// yet.
final class Turns<Sender: Hashable & Sendable>: Sendable {
    /// How many of a sender may wait: more than a browser or a well-made program asks at once.
    static var maximumWaiting: Int { 200 }

    private typealias Waiter = CheckedContinuation<Bool, Never>

    private struct Line {
        var running = 0
        var waiting: Deque<Waiter> = []
    }

    private let limit: Int
    /// Of those senders of whom a request is worked on.
    private let lines = Mutex<[Sender: Line]>([:])

    init(limit: Int) {
        self.limit = max(1, limit)
    }

    func turn(of sender: Sender) -> Turn {
        Turn { [self] in
            await begin(sender)
        } end: { [self] in
            end(sender)
        }
    }

    /// Runs `body` when its turn has come: first come, first served. Throws `too_many_requests` if too many wait.
    func take<Value>(_ sender: Sender, _ body: () async throws -> Value) async throws -> Value {
        let turn = turn(of: sender)
        defer { turn.end() }
        try await turn.begin()
        return try await body()
    }

    func waiting(of sender: Sender) -> Int { lines.withLock { $0[sender]?.waiting.count ?? 0 } }

    private func begin(_ sender: Sender) async -> Bool {
        await withCheckedContinuation { waiter in
            let isAllowed: Bool? = lines.withLock { lines in
                var line = lines[sender] ?? Line()
                defer { lines[sender] = line }
                if line.running < limit {
                    line.running += 1
                    return true
                }
                guard line.waiting.count < Self.maximumWaiting else { return false }
                line.waiting.append(waiter)
                return nil
            }
            if let isAllowed { waiter.resume(returning: isAllowed) }
        }
    }

    private func end(_ sender: Sender) {
        let next: Waiter? = lines.withLock { lines in
            guard var line = lines[sender] else { return nil }
            let next = line.waiting.popFirst()
            // The next one takes the place of this one.
            if next == nil { line.running -= 1 }
            lines[sender] = line.running > 0 ? line : nil
            return next
        }
        next?.resume(returning: true)
    }
}

/// One request's place in the line of its sender.
final class Turn: Sendable {
    private let take: @Sendable () async -> Bool
    private let give: @Sendable () -> Void
    private let isTaken = Mutex(false)

    init(begin: @escaping @Sendable () async -> Bool, end: @escaping @Sendable () -> Void) {
        (take, give) = (begin, end)
    }

    /// Waits until it has come; once. Throws `too_many_requests` if too many wait.
    func begin() async throws(APIError) {
        guard !isTaken.withLock({ $0 }) else { return }
        guard await take() else { throw .tooManyRequests }
        isTaken.withLock { $0 = true }
    }

    /// Lets the next one begin, if this one has.
    func end() {
        let wasTaken = isTaken.withLock { isTaken in
            defer { isTaken = false }
            return isTaken
        }
        if wasTaken { give() }
    }
}

extension APIError {
    private static let pause = Duration.milliseconds(200)

    /// Runs `body`; whoever it refuses for asking too much waits for that answer, outside any turn, since it may ask again
    /// at once, and so for ever.
    static func slowed<Value>(_ body: () async throws -> Value) async throws -> Value {
        do {
            return try await body()
        } catch let error as APIError where error.status == .tooManyRequests {
            try await Task.sleep(for: pause)
            throw error
        }
    }

    static let tooManyRequests = APIError(
        .tooManyRequests,
        "too_many_requests",
        "Too many of your requests wait already. Send the next ones when those are answered."
    ).retry(after: 1)
}
