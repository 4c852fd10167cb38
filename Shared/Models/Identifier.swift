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
    public var description: String {
        withUnsafeBytes(of: rawValue.uuid) { bytes in
            var text: [UInt8] = []
            text.reserveCapacity(36)
            for (index, byte) in bytes.enumerated() {
                if index == 4 || index == 6 || index == 8 || index == 10 { text.append(UInt8(ascii: "-")) }
                Hexadecimal.append(byte, to: &text)
            }
            return String(decoding: text, as: UTF8.self)
        }
    }
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

/// A SHA-256 in its text form: 64 lower-case hexadecimal digits.
public struct SHA256Digest: Hashable, Sendable, CustomStringConvertible {
    public let description: String

    /// Takes the 32 bytes a hash function gives; nil for any other number of bytes.
    public init?(bytes: some Sequence<UInt8>) {
        self.init(Hexadecimal.encode(bytes))
    }

    /// Reads 64 hexadecimal digits in either case; nil for anything else.
    public init?(_ text: String) {
        guard text.utf8.count == 64, text.utf8.allSatisfy({ Hexadecimal.value(of: $0) != nil }) else { return nil }
        description = text.utf8.contains { $0 < UInt8(ascii: "a") && $0 > UInt8(ascii: "9") } ? text.lowercased() : text
    }
}

extension SHA256Digest: Codable {
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let digest = SHA256Digest(try container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "not a SHA-256")
        }
        self = digest
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

/// Bytes as pairs of hexadecimal digits, and back.
public enum Hexadecimal {
    public static func encode(_ bytes: some Sequence<UInt8>, uppercase: Bool = false) -> String {
        var text: [UInt8] = []
        text.reserveCapacity(bytes.underestimatedCount * 2)
        for byte in bytes { append(byte, to: &text, uppercase: uppercase) }
        return String(decoding: text, as: UTF8.self)
    }

    fileprivate static func append(_ byte: UInt8, to text: inout [UInt8], uppercase: Bool = false) {
        func digit(_ value: UInt8) -> UInt8 {
            value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: uppercase ? "A" : "a") + value - 10
        }
        text.append(digit(byte >> 4))
        text.append(digit(byte & 0x0F))
    }

    /// Digits in either case; nil if they are not pairs of hexadecimal digits.
    public static func decode(_ text: some StringProtocol) -> [UInt8]? {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.utf8.count / 2)
        var digits = text.utf8.makeIterator()
        while let digit = digits.next() {
            guard let high = value(of: digit), let low = digits.next().flatMap(value) else { return nil }
            bytes.append(high << 4 | low)
        }
        return bytes
    }

    /// What one ASCII digit stands for, 0…15; nil if it is no hexadecimal digit.
    public static func value(of digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
