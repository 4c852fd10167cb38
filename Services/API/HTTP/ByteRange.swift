/// What a `Range` header asks for of a body of a known size (RFC 9110, 14).
enum ByteRange: Equatable {
    /// No range, or one that is not understood and therefore ignored: the whole body.
    case whole
    /// One range within the body.
    case part(Range<Int64>)
    /// A range past the end, or one that ends before it begins.
    case unsatisfiable

    /// Reads the header. Several ranges give the whole body, which the RFC allows and every client understands.
    init(header: String?, size: Int64) {
        guard let header, let specification = Self.singleRange(header) else {
            self = .whole
            return
        }
        let ends = specification.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
        guard ends.count == 2 else {
            self = .whole
            return
        }
        switch (Self.number(ends[0]), Self.number(ends[1])) {
        case (nil, let last?) where ends[0].isEmpty:
            self = last == 0 || size == 0 ? .unsatisfiable : .part(max(0, size - last)..<size)
        case (let first?, nil) where ends[1].isEmpty:
            self = first < size ? .part(first..<size) : .unsatisfiable
        case (let first?, let last?):
            self = first <= last && first < size ? .part(first..<(min(last, size - 1) + 1)) : .unsatisfiable
        default:
            self = .whole
        }
    }

    private static func singleRange(_ header: String) -> Substring? {
        let text = header.drop { $0 == " " }
        guard text.lowercased().hasPrefix("bytes="), !text.contains(",") else { return nil }
        return text.dropFirst("bytes=".count)
    }

    /// Digits only; a number too large for any file counts as the largest.
    private static func number(_ text: Substring) -> Int64? {
        guard !text.isEmpty, text.utf8.allSatisfy({ UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }) else { return nil }
        return Int64(text) ?? .max
    }
}
