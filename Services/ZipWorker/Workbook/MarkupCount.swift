/// Counts the tags of an XML file as it goes by: enough to know that nothing of it is missing.
///
/// It knows only the XML that libxlsxwriter writes: no comments, and `<` and `>` nowhere but around tags.
struct MarkupCount {
    /// Elements named `row`.
    private(set) var rows = 0
    /// True if each element so far has ended, and there was one.
    var isWhole: Bool { hasElement && depth == 0 && !isInTag && !isBroken }

    private var depth = 0
    private var hasElement = false
    private var isBroken = false
    private var isInTag = false
    private var tagLength = 0
    private var tagBegin: UInt32 = 0
    private var last: UInt8 = 0

    /// Reads on.
    mutating func read(_ bytes: UnsafeBufferPointer<UInt8>) {
        for byte in bytes {
            switch byte {
            case UInt8(ascii: "<"):
                isBroken = isBroken || isInTag
                isInTag = true
                tagLength = 0
                tagBegin = 0
            case UInt8(ascii: ">"):
                isBroken = isBroken || !isInTag
                isInTag = false
                endTag()
            default:
                guard isInTag, tagLength < 4 else { break }
                tagBegin = tagBegin << 8 | UInt32(byte)
                tagLength += 1
            }
            last = byte
        }
    }

    private mutating func endTag() {
        let first = UInt8(truncatingIfNeeded: tagBegin >> (8 * UInt32(max(0, tagLength - 1))))
        // “row ” in ASCII.
        if tagBegin == 0x726F_7720 { rows += 1 }
        if first == UInt8(ascii: "?") { return }
        if first == UInt8(ascii: "/") {
            depth -= 1
        } else {
            hasElement = true
            if last != UInt8(ascii: "/") { depth += 1 }
        }
        isBroken = isBroken || depth < 0
    }
}
