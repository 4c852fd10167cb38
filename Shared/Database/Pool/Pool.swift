import Logging
import Synchronization

/// Lends connections, first come, first served.
final class Pool: Sendable {
    private typealias Answer = Result<Connection, DatabaseError>

    private struct State: Sendable {
        var ledger: PoolLedger<Connection>
        var callers: [UInt64: CheckedContinuation<Answer, Never>] = [:]
        var lastTicket: UInt64 = 0
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
            try await connection.open()
            carryOut { $0.ledger.opened(connection, now: .now) }
        } catch {
            logger.error("database connection failed", metadata: ["error": "\(error)"])
            carryOut { $0.ledger.openingFailed(error, now: .now, jitter: .random(in: 0...1)) }
        }
    }

    /// Lets the ledger decide under the lock and does what it decided after it.
    ///
    /// - Returns: The connections to close, which whoever releases them does as well.
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
