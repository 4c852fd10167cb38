import HTTPTypes

/// Tells a body that drips from one that pauses.
///
/// A phone in a lift sends nothing for minutes and then goes on: seconds without a packet do not count. Whoever holds a
/// connection with a byte now and then is found out by the seconds that do.
struct BodyPace: Sendable {
    /// Seconds with packets in them that are judged together.
    static let judgedSeconds = 30

    /// Bytes a second.
    private let minimum: Int64
    private var second: Int64?
    private var seconds = 0
    private var bytes: Int64 = 0

    /// - Parameter minimum: Bytes a second; 0 takes whatever comes.
    init(minimum: Int64) {
        self.minimum = minimum
    }

    /// Takes note of a packet.
    ///
    /// - Parameters:
    ///   - count: Its bytes.
    ///   - time: Since the body began; never earlier than the one before.
    /// - Throws: `too_slow`, once half a minute of packets has brought less than half a minute's minimum.
    mutating func received(_ count: Int, at time: Duration) throws(APIError) {
        guard minimum > 0 else { return }
        let now = time.components.seconds
        if let second, now > second {
            seconds += 1
            if seconds == Self.judgedSeconds {
                guard bytes >= minimum * Int64(Self.judgedSeconds) else { throw .tooSlow }
                seconds = 0
                bytes = 0
            }
        }
        second = now
        bytes += Int64(count)
    }
}

extension APIError {
    fileprivate static let tooSlow = APIError(
        status: .requestTimeout,
        code: "too_slow",
        detail: "The body arrives too slowly. Send the file again over a better link, or as a resumable upload."
    )
}
