import Blocking
import CLibPQ
import Glibc
public import Logging
public import ServiceLifecycle
import Synchronization

/// The process's pool of connections to Postgres, opened as they are needed.
///
/// Every call waits for a connection at most `poolWait` (then `.poolExhausted`), and does not wait at all while the
/// server is away (`.unavailable`). Within one, statements are prepared once a connection.
public final class Database: Sendable {
    private let pool: Pool

    public init(settings: DatabaseSettings, logger: Logger) {
        pool = Pool(settings: settings, metrics: DatabaseMetrics(), logger: logger)
    }

    /// Runs a statement, in a transaction of its own, and gives its rows.
    public func run<R>(_ statement: Statement<R>) async throws(DatabaseError) -> [R] {
        let connection = try await pool.lease()
        defer { pool.giveBack(connection) }
        // The rows are read on its thread, too: many of them take a while.
        return try await connection.run(statement)
    }

    /// Runs a statement, in a transaction of its own, and gives its first row; nil if it has none.
    public func first<R>(_ statement: Statement<R>) async throws(DatabaseError) -> R? {
        let connection = try await pool.lease()
        defer { pool.giveBack(connection) }
        return try await connection.first(statement)
    }

    /// Runs all statements in ONE transaction and ONE round trip.
    ///
    /// - Returns: One result a statement, in order.
    /// - Throws: The first error. Nothing of the transaction was done then, unless it is `.connectionLost`: whether
    ///   it was committed is unknown. No statement at all is not an error.
    public func transaction(_ statements: [any AnyStatement]) async throws(DatabaseError) -> [RowSet] {
        var bound: [BoundStatement] = []
        for statement in statements { bound.append(try statement.bound()) }
        guard !bound.isEmpty else { return [] }
        let connection = try await pool.lease()
        defer { pool.giveBack(connection) }
        return try await connection.execute(bound)
    }

    /// Lends a connection for a transaction of several steps: COMMIT when `body` returns, ROLLBACK when it throws.
    ///
    /// - Throws: What `body` throws, and `DatabaseError`. A `body` that hides a failed statement's error gets
    ///   SQLSTATE 25P02 at the end, since nothing was committed.
    public func withTransaction<T: Sendable>(_ body: (Connection) async throws -> T) async throws -> T {
        try await withConnection { connection in
            try await connection.begin()
            do {
                let value = try await body(connection)
                try await connection.commit()
                return value
            } catch {
                await connection.rollback()
                throw error
            }
        }
    }

    /// Lends a connection for several steps without a transaction around them.
    ///
    /// `body` leaves the session as it found it, and does not keep the connection: the next caller gets it.
    public func withConnection<T: Sendable>(_ body: (Connection) async throws -> T) async throws -> T {
        let connection = try await pool.lease()
        defer { pool.giveBack(connection) }
        return try await body(connection)
    }

    public var statistics: (open: Int, idle: Int, waiting: Int) { pool.statistics }

    /// What stands between this process and the server, as the newest connection found it; nil if nothing does.
    public var pooler: Pooler? { pool.pooler }

    /// Closes the idle connections and refuses whoever waits or comes; a connection at work is closed when it is done.
    public func close() async {
        await pool.close()
    }
}

extension Database: Service {
    /// Closes the pool when the process is told to stop. First in the list of services, it is the last to stop.
    public func run() async throws {
        try? await gracefulShutdown()
        await close()
    }
}

/// One session with the server, lent by `Database.withConnection` and `Database.withTransaction`.
///
/// Each call is one round trip. It is done on a thread of the connection's own, never on the caller's. A cancelled
/// task's statement is cancelled on the server too; a connection that breaks stays broken and is replaced when it
/// is given back.
public actor Connection {
    private enum Standing {
        case closed
        case idle(socket: Int32)
        case inTransaction
    }

    private nonisolated let thread = BlockingThread(name: "postgres")
    private nonisolated let wakeup = Wakeup()
    private nonisolated let standing = Mutex(Standing.closed)
    private let settings: DatabaseSettings
    private let metrics: DatabaseMetrics
    private let logger: Logger
    private var session: LibPQConnection?

    public nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

    init(settings: DatabaseSettings, metrics: DatabaseMetrics, logger: Logger) {
        self.settings = settings
        self.metrics = metrics
        self.logger = logger
    }

    /// Gives what stands between this process and the server; nil if nothing does.
    func open() throws(DatabaseError) -> Pooler? {
        let session = try LibPQConnection(settings: settings, wakeup: wakeup, logger: logger)
        self.session = session
        publishStanding()
        return session.pooler
    }

    func close() {
        session = nil
        publishStanding()
    }

    /// Whether a statement can be sent, and will be in a transaction of its own. Asks the socket, so that a server
    /// that went away while the connection was idle is noticed before anything is sent; only for the one the
    /// connection is lent to.
    nonisolated var isUsable: Bool {
        standing.withLock { standing in
            guard case .idle(let socket) = standing else { return false }
            // The server has nothing to say to an idle session but that it is ending it.
            var descriptor = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
            poll(&descriptor, 1, 0)
            return descriptor.revents == 0
        }
    }

    public func run<R>(_ statement: Statement<R>) async throws(DatabaseError) -> [R] {
        try await transaction([statement])[0].decode()
    }

    /// Runs a statement and gives its first row; nil if it has none.
    public func first<R>(_ statement: Statement<R>) async throws(DatabaseError) -> R? {
        try await transaction([statement])[0].decodeFirst()
    }

    /// Runs the statements in one round trip: in the open transaction, or in one of their own. One result a statement,
    /// in order.
    public func transaction(_ statements: [any AnyStatement]) async throws(DatabaseError) -> [RowSet] {
        var bound: [BoundStatement] = []
        for statement in statements { bound.append(try statement.bound()) }
        return try await execute(bound)
    }

    /// Runs a text of several statements; in a transaction of its own unless one is open.
    package func script(_ sql: String) async throws(DatabaseError) {
        try await perform { (session, request) throws(DatabaseError) in try session.script(sql, &request) }
    }

    func execute(_ statements: [BoundStatement]) async throws(DatabaseError) -> [RowSet] {
        guard !statements.isEmpty else { return [] }
        return try await perform { (session, request) throws(DatabaseError) in
            let isAlone = !session.isInTransaction
            do throws(DatabaseError) {
                return try session.run(statements, &request)
            } catch {
                // Nothing was done, and a caller cannot help that a table was altered since its last call.
                guard session.hasStalePlans, isAlone, error.sqlState != nil else { throw error }
                return try session.run(statements, &request)
            }
        }
    }

    func begin() async throws(DatabaseError) {
        _ = try await execute([BoundStatement(sql: "BEGIN", parameters: [])])
    }

    func commit() async throws(DatabaseError) {
        let results = try await execute([BoundStatement(sql: "COMMIT", parameters: [])])
        guard results.first?.commandTag == "COMMIT" else {
            // The server rolls back what it is asked to commit if a statement had failed, and calls that success.
            let message = "a statement of the transaction had failed, so it was rolled back"
            throw DatabaseError(kind: .server(sqlState: "25P02", constraint: nil), message: message)
        }
    }

    /// Ends an open transaction, for a cancelled task too; a connection that cannot is closed, which ends it as well.
    func rollback() {
        guard let session, session.isInTransaction, !session.isBroken else { return }
        var request = session.request(nil)
        do {
            _ = try session.run([BoundStatement(sql: "ROLLBACK", parameters: [])], &request)
        } catch {
            logger.warning("database rollback failed", metadata: ["error": "\(error)"])
            self.session = nil
        }
        publishStanding()
    }

    private func perform<T: Sendable>(
        _ body: (LibPQConnection, inout PendingRequest) throws(DatabaseError) -> T
    ) async throws(DatabaseError) -> T {
        let interruption = Interruption(wakeup)
        let outcome: Result<T, DatabaseError> = await withTaskCancellationHandler {
            attempt(interruption, body)
        } onCancel: {
            interruption.request()
        }
        do {
            return try outcome.get()
        } catch {
            metrics.failed(error)
            throw error
        }
    }

    private func attempt<T>(
        _ interruption: Interruption,
        _ body: (LibPQConnection, inout PendingRequest) throws(DatabaseError) -> T
    ) -> Result<T, DatabaseError> {
        guard let session else {
            return .failure(DatabaseError(kind: .unavailable, message: "the connection is closed"))
        }
        guard !interruption.isRequested else {
            return .failure(DatabaseError(kind: .cancelled, message: "before it was sent"))
        }
        defer {
            if session.isBroken { self.session = nil }
            publishStanding()
        }
        var request = session.request(interruption)
        return Result { () throws(DatabaseError) in try body(session, &request) }
    }

    private func publishStanding() {
        let now: Standing = session.map { $0.isInTransaction ? .inTransaction : .idle(socket: $0.socket) } ?? .closed
        standing.withLock { $0 = now }
    }
}

/// A caller's wish to stop the one call it belongs to.
final class Interruption: Sendable {
    private let requested = Atomic(false)
    private let wakeup: Wakeup

    init(_ wakeup: Wakeup) {
        self.wakeup = wakeup
    }

    var isRequested: Bool { requested.load(ordering: .acquiring) }

    func request() {
        requested.store(true, ordering: .releasing)
        wakeup.signal()
    }
}

/// One round trip under way: who may stop it, and when it is over.
struct PendingRequest {
    let interruption: Interruption?
    var deadline: ContinuousClock.Instant
    /// Whether the server has, or will get, all it needs to carry the whole out.
    var isSent = false
    /// Why the server was asked to cancel.
    var stopped: DatabaseError.Kind?

    init(interruption: Interruption?, timeout: Duration) {
        self.interruption = interruption
        deadline = .now + timeout
    }

    /// For `poll()`: rounded up, so that it never wakes just before the deadline.
    var millisecondsLeft: Int32 {
        let left = max(.zero, deadline - .now)
        return Int32(clamping: Int64((left / .milliseconds(1)).rounded(.up)))
    }
}
