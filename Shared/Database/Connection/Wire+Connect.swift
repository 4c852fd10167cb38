import CLibPQ

extension Wire {
    private static let connectTimeoutSeconds = 5

    /// Opens a session. The thread is held for at most the connect timeout an address.
    static func connect(_ settings: DatabaseSettings) throws(DatabaseError) -> OpaquePointer {
        let parameters = connectionParameters(settings)
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
    private static func connectionParameters(_ settings: DatabaseSettings) -> [(keyword: String, value: String)] {
        let milliseconds = Int64(settings.statementTimeout / .milliseconds(1))
        let session = [
            "TimeZone=UTC", "DateStyle=ISO", "statement_timeout=\(milliseconds)",
            // A holder of locks that has vanished or hangs must not keep them.
            "idle_in_transaction_session_timeout=600000", "tcp_keepalives_idle=30", "tcp_keepalives_interval=10",
            "tcp_keepalives_count=3",
        ]
        let options = DatabaseSettings.connectionOptions(of: settings.url)?["options"]
        return [
            ("fallback_application_name", settings.applicationName),
            ("connect_timeout", "\(connectTimeoutSeconds)"),
            ("keepalives", "1"), ("keepalives_idle", "30"), ("keepalives_interval", "10"), ("keepalives_count", "3"),
            ("tcp_user_timeout", "15000"),
            ("dbname", settings.url),
            ("client_encoding", "UTF8"),
            ("options", ([options].compactMap(\.self) + session.map { "-c \($0)" }).joined(separator: " ")),
        ]
    }
}
