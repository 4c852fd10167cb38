public import Foundation
import Synchronization

/// The id of one kind of thing, so that an item's id is never taken for an asset's.
///
/// New ids are UUIDv7 (RFC 9562): they begin with the millisecond they were made in, so rows made
/// together lie together in an index.
public struct Identifier<Subject>: Hashable, Sendable, RawRepresentable {
    public let rawValue: UUID

    public init(rawValue: UUID) {
        self.rawValue = rawValue
    }

    /// Reads the usual text form, in either case; nil for anything else.
    public init?(_ text: some StringProtocol) {
        guard let uuid = UUID(uuidString: String(text)) else { return nil }
        rawValue = uuid
    }

    /// Makes a new id, larger than every one this process has made before.
    public static func new() -> Self {
        Self(rawValue: UUIDSequence.next())
    }
}

extension Identifier: CustomStringConvertible {
    /// The lower-case text form, as it stands in JSON, in paths and in the database.
    public var description: String { rawValue.uuidString.lowercased() }
}

extension Identifier: Codable {
    public init(from decoder: any Decoder) throws {
        rawValue = try decoder.singleValueContainer().decode(UUID.self)
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

/// UUIDv7s in order, also within one millisecond: the files of one request stay in the order they were sent in.
///
/// RFC 9562, 6.2, method 1: the 12 bits after the version count up from a random beginning below their middle.
private enum UUIDSequence {
    private static let last = Mutex<(milliseconds: UInt64, count: UInt64)>((0, 0))

    static func next() -> UUID {
        let now = UInt64(max(0, Date().timeIntervalSince1970 * 1000))
        let (milliseconds, count) = last.withLock { last in
            if now > last.milliseconds {
                last = (now, UInt64.random(in: 0..<2048))
            } else if last.count < 4095 {
                last.count += 1
            } else {
                last = (last.milliseconds + 1, 0)
            }
            return last
        }
        return .version7(milliseconds: milliseconds, count, .random(in: .min ... .max))
    }
}

extension UUID {
    /// A UUIDv7: 48 bits of milliseconds, the version, 12 bits, the variant, 62 bits.
    static func version7(milliseconds: UInt64, _ high: UInt64, _ low: UInt64) -> UUID {
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
