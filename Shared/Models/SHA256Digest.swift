/// A SHA-256 in its text form: 64 lower-case hexadecimal digits.
public struct SHA256Digest: Hashable, Sendable, CustomStringConvertible {
    public let description: String

    /// Takes the 32 bytes a hash function gives; nil for any other number of bytes.
    public init?(bytes: some Sequence<UInt8>) {
        self.init(Hexadecimal.encode(bytes))
    }

    /// Reads 64 hexadecimal digits in either case; nil for anything else.
    public init?(_ text: some StringProtocol) {
        guard text.utf8.count == 64, text.utf8.allSatisfy({ Hexadecimal.value(of: $0) != nil }) else { return nil }
        description = text.lowercased()
    }
}
