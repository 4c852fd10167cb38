public import Foundation

/// How a publisher or a consumer stands with the broker, for readiness checks and the operator.
public enum BrokerState: Equatable, Sendable {
    /// Signed in, and everything it needs is declared.
    case connected
    /// Connected, but the broker takes no messages: one of its alarms (memory, disk) is on.
    case blocked(reason: String)
    /// Not connected; it keeps trying until it is told to stop.
    case disconnected(reason: String, since: Date)

    var isBlocked: Bool {
        if case .blocked = self { true } else { false }
    }
}

extension BrokerState: CustomStringConvertible {
    /// One line for logs.
    public var description: String {
        switch self {
        case .connected: "connected"
        case .blocked(let reason): "blocked by the broker: \(reason)"
        case .disconnected(let reason, let since): "disconnected since \(since.ISO8601Format()): \(reason)"
        }
    }
}
