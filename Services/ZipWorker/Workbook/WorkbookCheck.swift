import CZlib
import Foundation

/// Reads a finished workbook once.
///
/// libxlsxwriter does not look whether its temporary files took what it wrote: on a full disk it makes a workbook that
/// lacks most of its rows, without an error.
struct WorkbookCheck {
    private static let chunkBytes = 1 << 16

    private let file: Int32
    private var offset: off_t = 0

    /// Checks that every member of the workbook is there as a whole. `rows` are those of each sheet, in the order of
    /// the sheets, headings included.
    ///
    /// - Throws: `invalid` if something is missing, `io`.
    static func check(_ path: String, rows: [Int]) throws(WorkbookError) {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { throw .system() }
        defer { close(file) }
        var check = WorkbookCheck(file: file)
        var found: [String: Int] = [:]
        while let member = try check.nextMember() {
            guard member.markup.isWhole else { throw .invalid("\(member.name) is cut") }
            found[member.name] = member.markup.rows
        }
        for (index, count) in rows.enumerated() {
            let name = "xl/worksheets/sheet\(index + 1).xml"
            guard found[name] == count else { throw .invalid("\(name) does not have \(count) rows") }
        }
    }

    private init(file: Int32) {
        self.file = file
    }

    /// PKWARE's APPNOTE, 4.3.7: 30 bytes, the name, the extra field, the compressed bytes; the sizes are in the header.
    private mutating func nextMember() throws(WorkbookError) -> (name: String, markup: MarkupCount)? {
        let header = try read(30, at: offset)
        func number(_ range: Range<Int>) -> Int { header[range].reversed().reduce(0) { $0 << 8 | Int($1) } }
        guard header.count == 30, number(0..<4) == 0x0403_4B50 else { return nil }
        let name = try read(number(26..<28), at: offset + 30)
        let bytes = number(18..<22)
        let begin = offset + 30 + number(26..<28) + number(28..<30)
        offset = begin + bytes
        return (String(decoding: name, as: UTF8.self), try inflate(bytes, at: begin))
    }

    private func inflate(_ bytes: Int, at begin: off_t) throws(WorkbookError) -> MarkupCount {
        var markup = MarkupCount()
        var stream = z_stream()
        // A member of a ZIP file is deflated without zlib's own frame. `inflateInit2` is a macro.
        let size = Int32(MemoryLayout<z_stream>.size)
        guard inflateInit2_(&stream, -MAX_WBITS, ZLIB_VERSION, size) == Z_OK else { throw .io(ENOMEM) }
        defer { inflateEnd(&stream) }
        var output = [UInt8](repeating: 0, count: Self.chunkBytes)
        var status = Z_OK
        var done = 0
        while done < bytes, status == Z_OK {
            var input = try read(min(bytes - done, Self.chunkBytes), at: begin + done)
            guard !input.isEmpty else { break }
            done += input.count
            status = input.withUnsafeMutableBufferPointer { input in
                output.withUnsafeMutableBufferPointer { Self.inflate(&stream, input, $0, into: &markup) }
            }
        }
        guard status == Z_STREAM_END else { throw .invalid("a member ends early") }
        return markup
    }

    private static func inflate(
        _ stream: inout z_stream,
        _ input: UnsafeMutableBufferPointer<UInt8>,
        _ output: UnsafeMutableBufferPointer<UInt8>,
        into markup: inout MarkupCount
    ) -> Int32 {
        stream.next_in = input.baseAddress
        stream.avail_in = UInt32(input.count)
        var status = Z_OK
        repeat {
            stream.next_out = output.baseAddress
            stream.avail_out = UInt32(output.count)
            status = CZlib.inflate(&stream, Z_NO_FLUSH)
            markup.read(UnsafeBufferPointer(rebasing: output[..<(output.count - Int(stream.avail_out))]))
        } while status == Z_OK && (stream.avail_in > 0 || stream.avail_out == 0)
        return status == Z_BUF_ERROR ? Z_OK : status
    }

    private func read(_ count: Int, at offset: off_t) throws(WorkbookError) -> [UInt8] {
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            initialized = max(0, pread(file, buffer.baseAddress, count, offset))
        }
        return bytes
    }
}

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
