public import Foundation

/// The id of one kind of thing, so that an item's id is never taken for an asset's.
///
/// New ids are UUIDv7 (RFC 9562): they begin with the millisecond they were made in, so rows made
/// together lie together in an index.
public struct Identifier<Subject>: Hashable, Sendable, RawRepresentable {
    /// The UUID itself.
    public let rawValue: UUID

    /// Wraps a UUID that is already known.
    public init(rawValue: UUID) {
        self.rawValue = rawValue
    }

    /// Reads the usual text form, in either case; nil for anything else.
    public init?(_ text: some StringProtocol) {
        guard let uuid = UUID(uuidString: String(text)) else { return nil }
        rawValue = uuid
    }

    /// Makes a new id.
    public static func new() -> Self {
        Self(rawValue: .version7(at: Date(), random: UInt64.random(in: .min ... .max), .random(in: .min ... .max)))
    }
}

extension Identifier: CustomStringConvertible {
    /// The lower-case text form, as it stands in JSON, in paths and in the database.
    public var description: String { rawValue.uuidString.lowercased() }
}

extension Identifier: Codable {
    /// Reads the text form.
    public init(from decoder: any Decoder) throws {
        rawValue = try decoder.singleValueContainer().decode(UUID.self)
    }

    /// Writes the lower-case text form.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

extension UUID {
    /// The UUIDv7 of a moment and 74 random bits: 48 bits of milliseconds, version, 12 random, variant, 62 random.
    static func version7(at moment: Date, random high: UInt64, _ low: UInt64) -> UUID {
        let milliseconds = UInt64(max(0, moment.timeIntervalSince1970 * 1000))
        let first = milliseconds << 16 | 0x7000 | (high & 0x0FFF)
        let second = 0x8000_0000_0000_0000 | (low & 0x3FFF_FFFF_FFFF_FFFF)
        func byte(_ word: UInt64, _ index: Int) -> UInt8 { UInt8(truncatingIfNeeded: word >> (56 - 8 * index)) }
        return UUID(
            uuid: (
                byte(first, 0), byte(first, 1), byte(first, 2), byte(first, 3),
                byte(first, 4), byte(first, 5), byte(first, 6), byte(first, 7),
                byte(second, 0), byte(second, 1), byte(second, 2), byte(second, 3),
                byte(second, 4), byte(second, 5), byte(second, 6), byte(second, 7)
            )
        )
    }
}
