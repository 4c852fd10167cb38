import Logging
import Metrics
import Synchronization

/// Lends connections, first come, first served.
final class Pool: Sendable {
    private typealias Answer = Result<Connection, DatabaseError>

    private struct State: Sendable {
        var ledger: PoolLedger<Connection>
        var callers: [UInt64: CheckedContinuation<Answer, Never>] = [:]
        var lastTicket: UInt64 = 0
        var pooler: Pooler?
    }

    private let state: Mutex<State>
    private let settings: DatabaseSettings
    private let metrics: DatabaseMetrics
    private let logger: Logger

    init(settings: DatabaseSettings, metrics: DatabaseMetrics, logger: Logger) {
        state = Mutex(State(ledger: PoolLedger(size: settings.poolSize, burst: settings.poolBurst)))
        self.settings = settings
        self.metrics = metrics
        self.logger = logger
    }

    var statistics: (open: Int, idle: Int, waiting: Int) {
        state.withLock { ($0.ledger.open, $0.ledger.idle.count, $0.ledger.waiting.count) }
    }

    var pooler: Pooler? { state.withLock { $0.pooler } }

    /// A connection that is open, idle and answered for; `giveBack` ends the loan.
    func lease() async throws(DatabaseError) -> Connection {
        let start = ContinuousClock.now
        let deadline = start + settings.poolWait
        do throws(DatabaseError) {
            while true {
                let connection = try await next(deadline: deadline)
                if connection.isUsable {
                    metrics.waited(.now - start)
                    return connection
                }
                giveBack(connection)
                guard ContinuousClock.now < deadline else { throw Self.exhausted(after: settings.poolWait) }
            }
        } catch {
            metrics.failed(error)
            throw error
        }
    }

    /// Ends a loan; a connection that is closed, or still in a transaction, is replaced when one is needed.
    func giveBack(_ connection: Connection) {
        guard !connection.isUsable else {
            carryOut { $0.ledger.returned(connection, now: .now) }
            return
        }
        logger.warning("database connection dropped: it was closed, or left inside a transaction")
        carryOut { $0.ledger.lost(now: .now) }
    }

    /// Refuses all who wait and all who come. A connection that is lent is closed when it is given back.
    func close() async {
        for connection in carryOut({ $0.ledger.close() }) { await connection.close() }
    }

    private func next(deadline: ContinuousClock.Instant) async throws(DatabaseError) -> Connection {
        guard !Task.isCancelled else { throw Self.cancelled }
        let (ticket, idle) = state.withLock { state in
            state.lastTicket += 1
            return (state.lastTicket, state.ledger.takeIdle())
        }
        if let idle {
            record()
            return idle
        }
        var expiry: Task<Void, Never>?
        defer { expiry?.cancel() }
        let answer: Answer = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                carryOut { state in
                    state.callers[ticket] = continuation
                    return state.ledger.wait(ticket, now: .now)
                }
                expiry = expire(ticket, at: deadline)
                // A cancellation that came before the ticket was in the queue found nothing to take out.
                if Task.isCancelled { leave(ticket, Self.cancelled) }
            }
        } onCancel: {
            leave(ticket, Self.cancelled)
        }
        return try answer.get()
    }

    private func expire(_ ticket: UInt64, at deadline: ContinuousClock.Instant) -> Task<Void, Never> {
        Task {
            do {
                try await Task.sleep(until: deadline, clock: .continuous)
            } catch {
                return
            }
            leave(ticket, Self.exhausted(after: settings.poolWait))
        }
    }

    private func leave(_ ticket: UInt64, _ error: DatabaseError) {
        carryOut { state in
            state.ledger.leave(ticket) ? [.refuse(ticket, error)] : []
        }
    }

    private func open() async {
        let connection = Connection(settings: settings, metrics: metrics, logger: logger)
        do throws(DatabaseError) {
            note(try await connection.open())
            carryOut { $0.ledger.opened(connection, now: .now) }
        } catch {
            logger.error("database connection failed", metadata: ["error": "\(error)"])
            carryOut { $0.ledger.openingFailed(error, now: .now, jitter: .random(in: 0...1)) }
        }
    }

    private func note(_ pooler: Pooler?) {
        let isNews = state.withLock { state in
            defer { state.pooler = pooler }
            return state.pooler != pooler
        }
        guard isNews, let pooler else { return }
        let metadata: Logger.Metadata = ["lost_settings": "\(pooler.lostSettings.joined(separator: ", "))"]
        logger.notice("A pooler stands before Postgres: statements are not prepared", metadata: metadata)
    }

    /// Lets the ledger decide under the lock and carries its orders out afterwards. Whoever releases the returned
    /// connections closes them.
    @discardableResult
    private func carryOut(_ decide: (inout State) -> [PoolLedger<Connection>.Order]) -> [Connection] {
        let (orders, callers) = state.withLock { state in
            let orders = decide(&state)
            let callers: [CheckedContinuation<Answer, Never>?] = orders.map { order in
                switch order {
                case .lend(_, let ticket), .refuse(let ticket, _): state.callers.removeValue(forKey: ticket)
                case .open, .close: nil
                }
            }
            return (orders, callers)
        }
        var surplus: [Connection] = []
        for (order, caller) in zip(orders, callers) {
            switch order {
            case .lend(let connection, _): caller?.resume(returning: .success(connection))
            case .refuse(_, let error): caller?.resume(returning: .failure(error))
            case .open: Task { await open() }
            case .close(let connection): surplus.append(connection)
            }
        }
        record()
        return surplus
    }

    private func record() {
        let (open, idle, waiting) = statistics
        metrics.record(open: open, idle: idle, waiting: waiting)
    }

    private static let cancelled = DatabaseError(kind: .cancelled, message: "while it waited for a connection")

    private static func exhausted(after wait: Duration) -> DatabaseError {
        DatabaseError(kind: .poolExhausted, message: "no connection became free within \(wait)")
    }
}

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

struct DatabaseMetrics: Sendable {
    private let open = Gauge(label: "tolva_database_open")
    private let idle = Gauge(label: "tolva_database_idle")
    private let waiting = Gauge(label: "tolva_database_waiting")
    private let wait = Timer(label: "tolva_database_wait")

    func record(open: Int, idle: Int, waiting: Int) {
        self.open.record(open)
        self.idle.record(idle)
        self.waiting.record(waiting)
    }

    func waited(_ duration: Duration) {
        wait.record(duration: duration)
    }

    func failed(_ error: DatabaseError) {
        Counter(label: "tolva_database_failures", dimensions: [("kind", error.kind.name)]).increment()
    }
}

extension DatabaseError.Kind {
    fileprivate var name: String {
        switch self {
        case .unavailable: "unavailable"
        case .connectionLost: "connection_lost"
        case .poolExhausted: "pool_exhausted"
        case .server: "server"
        case .undecodable: "undecodable"
        case .cancelled: "cancelled"
        case .timeout: "timeout"
        }
    }
}
