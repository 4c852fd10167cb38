/// Why a message was not confirmed.
///
/// Only `unroutable` and `refused` say that the broker does not have the message; after the others it
/// may have arrived. Job messages are announced again from their rows, so a caller need not retry.
public enum MessagingError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The broker is away, blocked by an alarm, or went away before it confirmed.
    case unavailable(String)
    /// The broker has no queue for it and gave it back.
    case unroutable(String)
    /// The broker did not take it (a full queue, a fault of its own), or it is too large to be sent.
    case refused(String)
    /// The broker did not confirm in time.
    case timeout

    /// One line for logs; never the broker's password.
    public var description: String {
        switch self {
        case .unavailable(let reason): "the broker is not available: \(reason)"
        case .unroutable(let reason): "the broker has no queue for the message: \(reason)"
        case .refused(let reason): "the message was refused: \(reason)"
        case .timeout: "the broker did not confirm in time"
        }
    }
}

/// Why a connection could not be made or has ended, in words for logs and readiness checks.
struct BrokerFailure: Error {
    let reason: String
}
