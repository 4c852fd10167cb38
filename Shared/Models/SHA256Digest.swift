/// A SHA-256 in its text form: 64 lower-case hexadecimal digits.
public struct SHA256Digest: Hashable, Sendable, CustomStringConvertible {
    /// The 64 digits.
    public let description: String

    /// Takes the 32 bytes a hash function gives; nil for any other number of bytes.
    public init?(bytes: some Sequence<UInt8>) {
        self.init(Self.digits(of: bytes))
    }

    /// Reads 64 hexadecimal digits in either case; nil for anything else.
    public init?(_ text: some StringProtocol) {
        guard text.utf8.count == 64, text.allSatisfy({ $0.isASCII && $0.isHexDigit }) else { return nil }
        description = text.lowercased()
    }

    private static func digits(of bytes: some Sequence<UInt8>) -> String {
        bytes.map { byte in (byte < 16 ? "0" : "") + String(byte, radix: 16) }.joined()
    }
}
