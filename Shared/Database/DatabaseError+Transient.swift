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
