import Models

/// `%C3%B1` for bytes that a URL or a header cannot hold (RFC 3986 2.1).
enum PercentEncoding {
    /// The bytes that are meant; nil if a `%` is not followed by two hexadecimal digits.
    static func decode(_ text: some Collection<UInt8>) -> [UInt8]? {
        var rest = text[...]
        var decoded: [UInt8] = []
        while let byte = rest.popFirst() {
            if byte != UInt8(ascii: "%") {
                decoded.append(byte)
            } else if let high = rest.popFirst().flatMap(Hexadecimal.value),
                let low = rest.popFirst().flatMap(Hexadecimal.value)
            {
                decoded.append(high << 4 | low)
            } else {
                return nil
            }
        }
        return decoded
    }
}
