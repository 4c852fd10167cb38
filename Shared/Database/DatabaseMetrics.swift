import Metrics

/// What the pool and its connections count.
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

    /// Records how long a caller waited for a connection.
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
