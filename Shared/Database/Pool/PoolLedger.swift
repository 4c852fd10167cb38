/// Who has which connection and who waits for one: the pool's decisions, without lock, clock or I/O.
struct PoolLedger<Member: Sendable>: Sendable {
    typealias Ticket = UInt64

    /// What the pool has to do next.
    enum Order: Sendable {
        case lend(Member, to: Ticket)
        case refuse(Ticket, DatabaseError)
        /// Open one connection, and report `opened` or `openingFailed`.
        case open
        case close(Member)
    }

    private struct Outage {
        var error: DatabaseError
        var failures: Int
        var retryAt: ContinuousClock.Instant
    }

    private static var firstDelay: Duration { .milliseconds(100) }
    private static var longestDelay: Duration { .seconds(2) }

    private let size: Int
    private let limit: Int
    private(set) var idle: [Member] = []
    private(set) var lent = 0
    private(set) var opening = 0
    private(set) var waiting: [Ticket] = []
    private var outage: Outage?
    private var isClosed = false

    init(size: Int, burst: Int) {
        self.size = size
        limit = size + burst
    }

    var open: Int { idle.count + lent }

    /// The connection that was used last, so that those the load does not need stay idle.
    mutating func takeIdle() -> Member? {
        guard let member = idle.popLast() else { return nil }
        lent += 1
        return member
    }

    mutating func wait(_ ticket: Ticket, now: ContinuousClock.Instant) -> [Order] {
        guard !isClosed else { return [.refuse(ticket, Self.closedError)] }
        if let member = takeIdle() { return [.lend(member, to: ticket)] }
        waiting.append(ticket)
        return settle(now)
    }

    /// Gives up a place in the queue; false if its wait was over already.
    mutating func leave(_ ticket: Ticket) -> Bool {
        guard let index = waiting.firstIndex(of: ticket) else { return false }
        waiting.remove(at: index)
        return true
    }

    mutating func opened(_ member: Member, now: ContinuousClock.Instant) -> [Order] {
        opening -= 1
        outage = nil
        return place(member) + settle(now)
    }

    /// Waits longer with each failure, and `jitter` (0 to 1) of it at random, so that a restarted server does not meet
    /// all its clients at once.
    mutating func openingFailed(_ error: DatabaseError, now: ContinuousClock.Instant, jitter: Double) -> [Order] {
        opening -= 1
        let failures = (outage?.failures ?? 0) + 1
        let delay = min(Self.longestDelay, Self.firstDelay * (1 << min(failures - 1, 10)))
        outage = Outage(error: error, failures: failures, retryAt: now + delay * (0.5 + jitter / 2))
        return settle(now)
    }

    mutating func returned(_ member: Member, now: ContinuousClock.Instant) -> [Order] {
        lent -= 1
        return place(member) + settle(now)
    }

    /// A lent connection broke.
    mutating func lost(now: ContinuousClock.Instant) -> [Order] {
        lent -= 1
        return settle(now)
    }

    mutating func close() -> [Order] {
        isClosed = true
        defer { (waiting, idle) = ([], []) }
        return waiting.map { .refuse($0, Self.closedError) } + idle.map { .close($0) }
    }

    private static var closedError: DatabaseError {
        DatabaseError(kind: .unavailable, message: "the pool is closed")
    }

    private mutating func place(_ member: Member) -> [Order] {
        if let ticket = waiting.first {
            waiting.removeFirst()
            lent += 1
            return [.lend(member, to: ticket)]
        }
        guard !isClosed, idle.count < size else { return [.close(member)] }
        idle.append(member)
        return []
    }

    /// Opens what those who wait need, one at a time while the server is away; refuses them when nothing can come.
    private mutating func settle(_ now: ContinuousClock.Instant) -> [Order] {
        var wanted = waiting.count
        if let outage { wanted = now < outage.retryAt ? 0 : min(1, wanted) }
        var orders: [Order] = []
        while opening < wanted, open + opening < limit {
            opening += 1
            orders.append(.open)
        }
        guard let outage, open + opening == 0 else { return orders }
        defer { waiting = [] }
        return waiting.map { .refuse($0, outage.error) }
    }
}
