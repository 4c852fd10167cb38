import Blocking
import CLibPQ
import COpenSSL
import Glibc
import Logging
import Models

/// Owns one `PGconn`, in pipeline mode and not blocking, and never waits without a deadline.
///
/// It lives on its connection's thread. Once `isBroken` it can only be released, which closes it.
final class LibPQConnection {
    /// Beyond the server's own limit, so that the server is the one that stops a slow statement.
    private static let graceAfterTimeout: Duration = .seconds(2)
    /// How long the server may take to confirm a cancellation.
    private static let cancelTimeout: Duration = .seconds(5)

    let handle: OpaquePointer
    /// Names of the statements this session has prepared, by their text.
    var prepared: [String: String] = [:]
    /// The server refused a prepared statement because a table or view has changed under it.
    var hasStalePlans = false
    private(set) var isBroken = false
    /// What stands between this process and the server; nil if nothing does.
    var pooler: Pooler?

    private let wakeup: Wakeup
    private let timeout: Duration
    private let notices: NoticeLog

    init(settings: DatabaseSettings, wakeup: Wakeup, logger: Logger) throws(DatabaseError) {
        handle = try Self.connect(settings)
        self.wakeup = wakeup
        timeout = settings.statementTimeout + Self.graceAfterTimeout
        notices = NoticeLog(logger)
        guard PQsetnonblocking(handle, 1) == 0, PQenterPipelineMode(handle) == 1 else {
            throw DatabaseError(kind: .unavailable, message: "libpq refused pipeline mode")
        }
        notices.attach(to: handle)
        try meetServer(settings)
    }

    deinit { PQfinish(handle) }

    var socket: Int32 { PQsocket(handle) }
    var isInTransaction: Bool { PQtransactionStatus(handle) != PQTRANS_IDLE }

    func request(_ interruption: Interruption?) -> PendingRequest {
        PendingRequest(interruption: interruption, timeout: timeout)
    }

    /// Sends what libpq still holds, reading meanwhile: a server that cannot get rid of its answers stops reading.
    func flush(_ request: inout PendingRequest) throws(DatabaseError) {
        while true {
            switch PQflush(handle) {
            case 0: return
            case 1: try wait(for: POLLIN | POLLOUT, &request)
            default: throw lost()
            }
            try consume()
        }
    }

    /// The next result; nil at the end of a statement's results.
    func next(_ request: inout PendingRequest) throws(DatabaseError) -> ServerResult? {
        while PQisBusy(handle) == 1 {
            try wait(for: POLLIN, &request)
            try consume()
        }
        return PQgetResult(handle).map(ServerResult.init(adopting:))
    }

    /// Ends this connection and gives the error that says so.
    func lost(_ message: String? = nil) -> DatabaseError {
        isBroken = true
        return DatabaseError(kind: .connectionLost, message: message ?? String(cString: PQerrorMessage(handle)).trimmed)
    }

    private func consume() throws(DatabaseError) {
        guard PQconsumeInput(handle) == 1 else { throw lost() }
        // A TLS record can be longer than one read, and poll() does not see what OpenSSL holds back.
        guard PQsslInUse(handle) == 0 || PQconsumeInput(handle) == 1 else { throw lost() }
    }

    private func wait(for events: Int32, _ request: inout PendingRequest) throws(DatabaseError) {
        while true {
            if request.stopped == nil, request.interruption?.isRequested == true {
                try stop(.cancelled, "the caller gave up", &request)
            }
            var descriptors = [
                pollfd(fd: socket, events: Int16(events), revents: 0),
                pollfd(fd: wakeup.descriptor, events: Int16(POLLIN), revents: 0),
            ]
            let ready = poll(&descriptors, 2, request.millisecondsLeft)
            guard ready >= 0 || errno == EINTR else { throw lost("poll failed with errno \(errno)") }
            if ready == 0 { try stop(.timeout, "no answer within \(timeout)", &request) }
            if ready > 0, descriptors[1].revents != 0 { wakeup.clear() }
            if ready > 0, descriptors[0].revents != 0 { return }
        }
    }

    private func stop(_ kind: DatabaseError.Kind, _ reason: String, _ request: inout PendingRequest)
        throws(DatabaseError)
    {
        guard request.isSent else {
            // Without the rest nothing is committed, and a part of it must not be: only closing is safe.
            isBroken = true
            throw DatabaseError(kind: kind, message: reason)
        }
        guard request.stopped == nil else { throw lost("\(reason), nor to a request to cancel") }
        request.stopped = kind
        cancel()
        request.deadline = .now + Self.cancelTimeout
    }

    /// Asks the server to stop. It returns when the server has been told, so that no later statement is hit
    /// instead; keep-alives and `tcp_user_timeout` bound it.
    private func cancel() {
        guard let cancel = PQgetCancel(handle) else { return }
        defer { PQfreeCancel(cancel) }
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { message in
            guard let start = message.baseAddress, PQcancel(cancel, start, Int32(message.count)) == 0 else { return }
            notices.log("a request to cancel failed: \(String(cString: start).trimmed)")
        }
    }
}

/// Logs what the server says beside its results, which libpq would print to standard error.
final class NoticeLog {
    private let logger: Logger

    init(_ logger: Logger) {
        self.logger = logger
    }

    /// The caller keeps this object as long as the connection.
    func attach(to handle: OpaquePointer) {
        let receive: PQnoticeReceiver = { context, result in
            guard let context, let message = PQresultErrorField(result, Int32(pq_field_message)) else { return }
            Unmanaged<NoticeLog>.fromOpaque(context).takeUnretainedValue().log(String(cString: message))
        }
        PQsetNoticeReceiver(handle, receive, Unmanaged.passUnretained(self).toOpaque())
    }

    func log(_ message: String) {
        logger.info("postgres notice", metadata: ["notice": "\(message)"])
    }
}

extension LibPQConnection {
    private static let connectTimeoutSeconds = 5
    /// A holder of locks that has vanished or hangs must not keep them.
    static let idleTransactionTimeout: Int64 = 600_000
    /// What PgBouncer says of `options`, unless `ignore_startup_parameters` names it.
    private static let refusedParameter = "unsupported startup parameter"

    static func statementTimeout(_ settings: DatabaseSettings) -> Int64 {
        Int64(settings.statementTimeout / .milliseconds(1))
    }

    /// Opens a session. The thread is held for at most the connect timeout an address, and twice that for a pooler that
    /// refuses what a session is asked for.
    static func connect(_ settings: DatabaseSettings) throws(DatabaseError) -> OpaquePointer {
        do {
            return try connect(connectionParameters(settings, withOptions: true))
        } catch  where error.message.contains(refusedParameter) {
            return try connect(connectionParameters(settings, withOptions: false))
        }
    }

    private static func connect(
        _ parameters: [(keyword: String, value: String)]
    ) throws(DatabaseError) -> OpaquePointer {
        let handle = withCStrings(parameters.map(\.keyword) + [nil]) { keywords in
            withCStrings(parameters.map(\.value) + [nil]) { values in PQconnectdbParams(keywords, values, 1) }
        }
        guard let handle else { throw DatabaseError(kind: .unavailable, message: "libpq has no memory") }
        guard PQstatus(handle) == CONNECTION_OK else {
            defer { PQfinish(handle) }
            throw DatabaseError(kind: .unavailable, message: String(cString: PQerrorMessage(handle)).trimmed)
        }
        return handle
    }

    /// What stands before the URL is a default it may change; what stands after it, this module depends on.
    private static func connectionParameters(
        _ settings: DatabaseSettings,
        withOptions: Bool
    ) -> [(keyword: String, value: String)] {
        let session = [
            "TimeZone=UTC", "DateStyle=ISO", "statement_timeout=\(statementTimeout(settings))",
            "idle_in_transaction_session_timeout=\(idleTransactionTimeout)", "tcp_keepalives_idle=30",
            "tcp_keepalives_interval=10", "tcp_keepalives_count=3",
        ]
        let given = DatabaseSettings.connectionOptions(of: settings.url)?["options"]
        let options = ([given].compactMap(\.self) + session.map { "-c \($0)" }).joined(separator: " ")
        return [
            ("fallback_application_name", settings.applicationName),
            ("connect_timeout", "\(connectTimeoutSeconds)"),
            ("keepalives", "1"), ("keepalives_idle", "30"), ("keepalives_interval", "10"), ("keepalives_count", "3"),
            ("tcp_user_timeout", "15000"),
            ("dbname", settings.url),
            ("client_encoding", "UTF8"),
            ("options", withOptions ? options : ""),
        ]
    }
}

extension LibPQConnection {
    /// Texts beyond this many are parsed anew each time. A program has fewer; it bounds the server's memory.
    static let maximumPrepared = 512
    private static let flushThresholdBytes = 64 << 10

    private enum Step {
        case prepare(sql: String, name: String)
        case execute
        case forget
    }

    /// Runs the statements in one round trip: in one transaction of their own, or in the open one.
    ///
    /// - Throws: The first error; then nothing of them was done, unless its kind is `connectionLost`.
    func run(_ statements: [BoundStatement], _ request: inout PendingRequest) throws(DatabaseError) -> [RowSet] {
        request.isSent = false
        var steps: [Step] = []
        if hasStalePlans, !isInTransaction {
            prepared = [:]
            hasStalePlans = false
            try send(BoundStatement(sql: "DEALLOCATE ALL", parameters: []), named: nil)
            steps.append(.forget)
        }
        var preparing: [String: String] = [:]
        var unflushed = 0
        for statement in statements {
            var name = prepared[statement.sql] ?? preparing[statement.sql]
            if name == nil, pooler == nil, prepared.count + preparing.count < Self.maximumPrepared {
                let new = Self.name(of: statement.sql)
                guard PQsendPrepare(handle, new, statement.sql, 0, nil) == 1 else { throw lost() }
                preparing[statement.sql] = new
                steps.append(.prepare(sql: statement.sql, name: new))
                name = new
            }
            try send(statement, named: name)
            steps.append(.execute)
            unflushed += statement.size
            if unflushed >= Self.flushThresholdBytes {
                try flush(&request)
                unflushed = 0
            }
        }
        request.isSent = true
        guard PQpipelineSync(handle) == 1 else { throw lost() }
        try flush(&request)
        return try receive(steps, &request)
    }

    /// Runs a text of several statements, without parameters, outside pipeline mode (which allows only one).
    func script(_ sql: String, _ request: inout PendingRequest) throws(DatabaseError) {
        guard PQexitPipelineMode(handle) == 1 else { throw lost() }
        request.isSent = true
        guard PQsendQuery(handle, sql) == 1 else { throw lost() }
        try flush(&request)
        var failure: DatabaseError?
        while let result = try next(&request) {
            let outcome = try check(result, request)
            failure = failure ?? outcome
        }
        guard PQenterPipelineMode(handle) == 1 else { throw lost() }
        if let failure { throw failure }
    }

    /// The same for the same text in every process: whatever session a pooler lends, a name never stands for another
    /// text.
    private static func name(of sql: String) -> String {
        var digest = [UInt8](repeating: 0, count: Int(SHA256_DIGEST_LENGTH))
        let bytes = Array(sql.utf8)
        _ = SHA256(bytes, bytes.count, &digest)
        return "tolva_\(Hexadecimal.encode(digest.prefix(16)))"
    }

    private func send(_ statement: BoundStatement, named name: String?) throws(DatabaseError) {
        let count = Int32(statement.parameters.count)
        let isQueued = withCStrings(statement.parameters) { values in
            guard let name else { return PQsendQueryParams(handle, statement.sql, count, nil, values, nil, nil, 0) }
            return PQsendQueryPrepared(handle, name, count, values, nil, nil, 0)
        }
        guard isQueued == 1 else { throw lost() }
    }

    private func receive(_ steps: [Step], _ request: inout PendingRequest) throws(DatabaseError) -> [RowSet] {
        var rows: [RowSet] = []
        var failure: DatabaseError?
        for step in steps {
            guard let result = try next(&request) else { throw lost("an answer is missing") }
            let outcome = try check(result, request, after: failure)
            failure = failure ?? outcome
            if outcome == nil, result.status != PGRES_PIPELINE_ABORTED {
                switch step {
                case .prepare(let sql, let name): prepared[sql] = name
                case .execute: rows.append(RowSet(result))
                case .forget: break
                }
            }
            guard try next(&request) == nil else { throw lost("a statement gave two answers") }
        }
        try receiveSync(&failure, &request)
        if let failure { throw failure }
        return rows
    }

    /// The server commits when it reaches the sync, so what it refuses there (a deferred constraint) comes here.
    private func receiveSync(_ failure: inout DatabaseError?, _ request: inout PendingRequest) throws(DatabaseError) {
        while let result = try next(&request) {
            if result.status == PGRES_PIPELINE_SYNC { return }
            let outcome = try check(result, request, after: failure)
            failure = failure ?? outcome
            guard try next(&request) == nil else { throw lost("the end of a transaction gave two answers") }
        }
        throw lost("the end of a transaction is missing")
    }

    /// Nil for a good answer, the server's refusal for a bad one.
    private func check(
        _ result: ServerResult,
        _ request: PendingRequest,
        after earlier: DatabaseError? = nil
    ) throws(DatabaseError) -> DatabaseError? {
        switch result.status {
        case PGRES_COMMAND_OK, PGRES_TUPLES_OK, PGRES_EMPTY_QUERY: return nil
        case PGRES_PIPELINE_ABORTED where earlier != nil: return nil
        case PGRES_FATAL_ERROR: break
        default: throw lost("an answer nobody asked for: \(String(cString: PQresStatus(result.status)))")
        }
        let refusal = result.refusal
        guard let sqlState = refusal.sqlState else { throw lost((earlier ?? refusal).message) }
        if sqlState == "26000" || result.refusingFunction == "RevalidateCachedQuery" { hasStalePlans = true }
        // A session the server ends says why first.
        if ["57P01", "57P02", "57P05", "25P03"].contains(sqlState) { throw lost(refusal.message) }
        guard sqlState == "57014" else { return refusal }
        return DatabaseError(kind: request.stopped ?? .timeout, message: refusal.message)
    }
}

extension BoundStatement {
    fileprivate var size: Int { parameters.reduce(sql.utf8.count) { $0 + ($1?.utf8.count ?? 0) } }
}

/// Gives C an array of C strings, nil being a null pointer, for as long as `body` runs.
func withCStrings<Result>(
    _ texts: [String?],
    _ body: (UnsafePointer<UnsafePointer<CChar>?>?) -> Result
) -> Result {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(texts.reduce(0) { $0 + ($1?.utf8.count ?? 0) + 1 })
    var starts: [Int?] = []
    starts.reserveCapacity(texts.count)
    for text in texts {
        starts.append(text == nil ? nil : bytes.count)
        guard let text else { continue }
        bytes.append(contentsOf: text.utf8)
        bytes.append(0)
    }
    return bytes.withUnsafeBytes { bytes in
        let characters = bytes.assumingMemoryBound(to: CChar.self).baseAddress
        let pointers = starts.map { start in start.flatMap { start in characters.map { $0 + start } } }
        return pointers.withUnsafeBufferPointer { body($0.baseAddress) }
    }
}
