public import Foundation
public import Models

/// A message that nothing could handle.
public struct DeadLetter: Sendable {
    /// As much of a body as is kept: many times a job's id.
    static let maximumBytes = 1024

    /// The first bytes of its body, at most 1024.
    public let beginning: [UInt8]
    /// How many bytes its body has.
    public let bytes: Int
    /// The queue that gave it up; nil if it was published here, or the broker does not say.
    public let queue: String?
    /// Why, in the broker's word: `rejected`, `delivery_limit`, `expired` or `maxlen`.
    public let reason: String?
    /// How often that queue gave it up.
    public let times: Int
    /// When it did so last, to the second.
    public let diedAt: Date?

    /// The job it would announce; nil if its body is not a job's id.
    public var job: JobID? {
        guard bytes == beginning.count, let text = String(validating: beginning, as: UTF8.self) else { return nil }
        return JobID(text)
    }

    init(_ message: ArrivingMessage) {
        beginning = message.body
        bytes = Int(message.bodyBytes)
        let death = message.header?.death
        queue = death?.queue
        reason = death?.reason
        times = death?.times ?? 0
        diedAt = death?.time
    }
}
