import Blocking
import CLibPQ
import Glibc
import Logging

/// Owns one `PGconn`, in pipeline mode and not blocking, and never waits without a deadline.
///
/// It lives on its connection's thread. Once `isBroken` it can only be released, which closes it.
final class Wire {
    /// Beyond the server's own limit, so that the server is the one that stops a slow statement.
    private static let graceAfterTimeout: Duration = .seconds(2)
    /// How long the server may take to confirm a cancellation.
    private static let cancelTimeout: Duration = .seconds(5)

    let handle: OpaquePointer
    /// Names of the statements this session has prepared, by their text.
    var prepared: [String: String] = [:]
    /// The server refused a prepared statement because a table or view has changed under it.
    var hasStalePlans = false
    /// How many statements were ever prepared: names are never used twice.
    var statementsNamed = 0
    private(set) var isBroken = false

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
    }

    deinit { PQfinish(handle) }

    var socket: Int32 { PQsocket(handle) }
    var isInTransaction: Bool { PQtransactionStatus(handle) != PQTRANS_IDLE }

    func exchange(_ interruption: Interruption?) -> Exchange {
        Exchange(interruption: interruption, timeout: timeout)
    }

    /// Sends what libpq still holds, reading meanwhile: a server that cannot get rid of its answers stops reading.
    func flush(_ exchange: inout Exchange) throws(DatabaseError) {
        while true {
            switch PQflush(handle) {
            case 0: return
            case 1: try wait(for: POLLIN | POLLOUT, &exchange)
            default: throw lost()
            }
            try consume()
        }
    }

    /// The next result; nil at the end of a statement's results.
    func next(_ exchange: inout Exchange) throws(DatabaseError) -> ServerResult? {
        while PQisBusy(handle) == 1 {
            try wait(for: POLLIN, &exchange)
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

    private func wait(for events: Int32, _ exchange: inout Exchange) throws(DatabaseError) {
        while true {
            if exchange.stopped == nil, exchange.interruption?.isRequested == true {
                try stop(.cancelled, "the caller gave up", &exchange)
            }
            var descriptors = [
                pollfd(fd: socket, events: Int16(events), revents: 0),
                pollfd(fd: wakeup.descriptor, events: Int16(POLLIN), revents: 0),
            ]
            let ready = poll(&descriptors, 2, exchange.millisecondsLeft)
            guard ready >= 0 || errno == EINTR else { throw lost("poll failed with errno \(errno)") }
            if ready == 0 { try stop(.timeout, "no answer within \(timeout)", &exchange) }
            if ready > 0, descriptors[1].revents != 0 { wakeup.clear() }
            if ready > 0, descriptors[0].revents != 0 { return }
        }
    }

    private func stop(_ kind: DatabaseError.Kind, _ reason: String, _ exchange: inout Exchange) throws(DatabaseError) {
        guard exchange.isSent else {
            // Without the rest nothing is committed, and a part of it must not be: only closing is safe.
            isBroken = true
            throw DatabaseError(kind: kind, message: reason)
        }
        guard exchange.stopped == nil else { throw lost("\(reason), nor to a request to cancel") }
        exchange.stopped = kind
        cancel()
        exchange.deadline = .now + Self.cancelTimeout
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
