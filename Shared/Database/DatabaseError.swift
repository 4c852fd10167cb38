/// Why the database did not do what was asked.
///
/// Its message may be logged: it holds the server's words, never a parameter's value.
public struct DatabaseError: Error, Equatable, CustomStringConvertible {
    public enum Kind: Hashable, Sendable {
        /// There is no connection and nothing was sent: asking again later is safe.
        case unavailable
        /// The connection went away after something was sent: it may have been done or not.
        case connectionLost
        /// Every connection stayed busy for the whole wait; nothing was sent.
        case poolExhausted
        /// The server refused; nothing of the transaction was done.
        case server(sqlState: String, constraint: String?)
        /// A value does not fit: one read is not of the type asked for, or one to be written has no form in Postgres.
        case undecodable
        /// The caller's task was cancelled; nothing was done.
        case cancelled
        /// The server stopped a statement that took longer than it may; nothing was done.
        case timeout
    }

    public let kind: Kind
    public let message: String

    /// Makes an error; outside this module that is for tests.
    public init(kind: Kind, message: String) {
        self.kind = kind
        self.message = message
    }

    /// A value that is not what the program takes it for.
    public static func undecodable(_ message: String) -> DatabaseError {
        DatabaseError(kind: .undecodable, message: message)
    }

    /// The five characters of PostgreSQL's "Appendix A. Error Codes"; nil if it was not the server that refused.
    public var sqlState: String? {
        guard case .server(let sqlState, _) = kind else { return nil }
        return sqlState
    }

    /// Whether a row was refused because another holds the same key under the constraint, or unique index, of this
    /// name.
    public func isUniqueViolation(of constraint: String) -> Bool {
        kind == .server(sqlState: "23505", constraint: constraint)
    }

    public var description: String {
        switch kind {
        case .unavailable: "database unavailable: \(message)"
        case .connectionLost: "database connection lost: \(message)"
        case .poolExhausted: "database pool exhausted: \(message)"
        case .server(let sqlState, _): "database refused (\(sqlState)): \(message)"
        case .undecodable: "database value does not fit: \(message)"
        case .cancelled: "database call cancelled: \(message)"
        case .timeout: "database call timed out: \(message)"
        }
    }
}

extension DatabaseError {
    /// Whether the same call may well succeed a little later: the server is away, stopping or short of something, or
    /// two transactions met (SQLSTATE classes 08, 40, 53, 57).
    ///
    /// After `.connectionLost` the first call may have been done; only the caller knows whether it may be repeated.
    public var isTransient: Bool {
        switch kind {
        case .unavailable, .connectionLost, .poolExhausted, .timeout: true
        case .server(let sqlState, _): ["08", "40", "53", "57"].contains(String(sqlState.prefix(2)))
        case .undecodable, .cancelled: false
        }
    }
}
