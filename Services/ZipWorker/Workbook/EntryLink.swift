/// The way from the workbook to an entry, once both are extracted: a relative reference (RFC 3986, 4.2).
enum EntryLink {
    /// What Excel itself leaves as it is in the path of a link. A `%`, `#` or `?` in a name has to be escaped to stay
    /// one, and `:` would begin a scheme. Letters beyond ASCII stay: Windows reads their escapes as another character
    /// set's.
    private static let plain = Array("-._~/!$&'()*+,;=@".utf8)

    /// The link's target; nil if it is longer than `limit` bytes.
    static func target(for entry: String, limit: Int) -> String? {
        var target: [UInt8] = []
        for byte in entry.utf8 {
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "a")...UInt8(ascii: "z"), 0x80...:
                target.append(byte)
            case _ where plain.contains(byte): target.append(byte)
            default:
                target.append(contentsOf: "%\(byte < 16 ? "0" : "")\(String(byte, radix: 16, uppercase: true))".utf8)
            }
        }
        return target.count <= limit ? String(decoding: target, as: UTF8.self) : nil
    }
}
