import CXLSXWriter
import CZlib
import Foundation
import Models

/// Writes `items.xlsx`: one sheet with a row for each item, one with a row for each file.
///
/// Rows go to the disk as they come, so memory does not grow with them; only links cost some, 2.4 KB each, and a sheet
/// has 10 000 at most. The same rows in the same order give the same bytes.
///
/// It blocks, and is not `Sendable`: it lives on one of `BlockingThreads`' threads, or in an actor with a
/// `BlockingThread` of its own. After an error it is of no use. Whoever lets go of it before it is finished leaves
/// nothing behind.
final class WorkbookWriter {
    private let file: WorkbookFile
    private var items: SheetWriter<ItemRow>
    private var media: SheetWriter<MediaRecord>
    private var isFinished = false

    /// Begins a workbook that says it was made at `created`; the clock is not asked. What is at its path is
    /// overwritten.
    ///
    /// The temporary directory has room for the rows uncompressed, about a kilobyte a file, twice. `attributeNames` are
    /// columns of the items' sheet; those beyond Excel's 16 384 columns are left out, and a heading says so. `hasNotes`: some item
    /// has a note.
    init(
        path: String,
        temporaryDirectory: String,
        language: Export.Language,
        created: Date,
        attributeNames: [String],
        hasNotes: Bool = false,
        limits: WorkbookLimits = WorkbookLimits()
    ) throws(WorkbookError) {
        file = try WorkbookFile(
            path: path,
            temporaryDirectory: temporaryDirectory,
            language: language,
            created: created
        )
        let bare = SheetLayout<ItemRow>.items(attributes: [], leftOut: 0, hasNotes: hasNotes, in: language)
        let room = limits.columns - bare.columns.count
        // The heading that says so takes a column too.
        let attributes = attributeNames.prefix(attributeNames.count > room ? room - 1 : room)
        let leftOut = attributeNames.count - attributes.count
        items = try SheetWriter(
            .items(attributes: attributes, leftOut: leftOut, hasNotes: hasNotes, in: language),
            in: file,
            limits: limits,
            language: language
        )
        media = try SheetWriter(.media(in: language), in: file, limits: limits, language: language)
    }

    /// Writes the row of one item. Attributes that have no column are left out.
    func add(_ item: Item, mediaFiles: Int, note: String? = nil) throws(WorkbookError) {
        try requireUnfinished()
        try items.add((item, mediaFiles, note))
    }

    /// Writes the row of one file. Rows of both sheets may alternate.
    func add(_ file: MediaRecord) throws(WorkbookError) {
        try requireUnfinished()
        try media.add(file)
    }

    /// Puts the workbook together at its path and reads it once, since the library does not tell when the disk was
    /// full. It is the last call. The file is not synced.
    func finish() throws(WorkbookError) {
        try requireUnfinished()
        isFinished = true
        try items.finish()
        try media.finish()
        try file.finish()
    }

    /// The sheets are gone with the end of the workbook, and nothing may write to them.
    private func requireUnfinished() throws(WorkbookError) {
        guard !isFinished else { throw .invalid("the workbook is finished") }
    }
}

/// What Excel takes, and the memory of the worker. Tests lower it.
struct WorkbookLimits {
    /// A sheet, its header included.
    var rows: UInt32 = 1_048_576
    /// A sheet.
    var columns = 16_384
    /// A sheet. Excel takes 65 530, but libxlsxwriter needs 2.4 KB of memory for each while it puts a sheet together.
    var links = 10_000
    /// A cell, in units of UTF-16.
    var textLength = 32_767
    /// The target of a link, in bytes: Excel counts letters, libxlsxwriter's buffer bytes.
    var linkBytes = 2079
}

/// A workbook could not be written. Nothing of it is of any use then.
enum WorkbookError: Error, Hashable {
    /// No room on the disk, or a quota is used up.
    case full
    /// The system refused something else: an `errno`.
    case io(Int32)
    /// libxlsxwriter refused what it was given, or what it wrote is not whole; for the log.
    case invalid(String)

    /// Reads `errno`: it is made right after the call that failed.
    static func system() -> WorkbookError {
        [ENOSPC, EDQUOT].contains(errno) ? .full : .io(errno)
    }

    /// What a function of libxlsxwriter has just returned; nil if all is well.
    init?(_ code: lxw_error) {
        switch code {
        case LXW_NO_ERROR: return nil
        case LXW_ERROR_MEMORY_MALLOC_FAILED: self = .io(ENOMEM)
        case LXW_ERROR_CREATING_XLSX_FILE, LXW_ERROR_CREATING_TMPFILE, LXW_ERROR_READING_TMPFILE,
            LXW_ERROR_ZIP_FILE_OPERATION, LXW_ERROR_ZIP_FILE_ADD, LXW_ERROR_ZIP_CLOSE:
            self = .system()
        default: self = .invalid(String(cString: lxw_strerror(code)))
        }
    }
}

/// A workbook libxlsxwriter is writing. Each sheet's rows go to a temporary file without a name, and what is not
/// finished is removed: an abandoned workbook leaves nothing behind.
final class WorkbookFile {
    /// The looks a cell can have. The workbook owns them.
    struct Formats {
        let heading: UnsafeMutablePointer<lxw_format>
        let count: UnsafeMutablePointer<lxw_format>
        let boolean: UnsafeMutablePointer<lxw_format>
        let time: UnsafeMutablePointer<lxw_format>
        let warning: UnsafeMutablePointer<lxw_format>
        let link: UnsafeMutablePointer<lxw_format>

        init?(_ workbook: UnsafeMutablePointer<lxw_workbook>, language: Export.Language) {
            guard let heading = workbook_add_format(workbook), let count = workbook_add_format(workbook),
                let boolean = workbook_add_format(workbook),
                let time = workbook_add_format(workbook), let warning = workbook_add_format(workbook),
                let link = workbook_get_default_url_format(workbook)
            else { return nil }
            format_set_bold(heading)
            format_set_bg_color(heading, 0xE7E6E6)
            format_set_bottom(heading, UInt8(LXW_BORDER_THIN.rawValue))
            format_set_num_format(count, "#,##0")
            // For LibreOffice, which shows a boolean beside a number as 1 or 0. Excel needs no format, and heeds none.
            let words = language.text(en: ("TRUE", "FALSE"), es: ("VERDADERO", "FALSO"))
            format_set_num_format(boolean, "\"\(words.0)\";\"\(words.0)\";\"\(words.1)\"")
            format_set_num_format(time, "yyyy-mm-dd hh:mm:ss")
            format_set_font_color(warning, 0x9C0006)
            (self.heading, self.count, self.boolean) = (heading, count, boolean)
            (self.time, self.warning, self.link) = (time, warning, link)
        }
    }

    let formats: Formats

    private let workbook: UnsafeMutablePointer<lxw_workbook>
    private let path: String
    private let temporaryDirectory: String
    private var sheets: [UnsafeMutablePointer<lxw_worksheet>] = []
    private var isClosed = false
    private var isWhole = false

    /// Makes the file, so that what keeps it from being made is known before any row is written.
    init(path: String, temporaryDirectory: String, language: Export.Language, created: Date) throws(WorkbookError) {
        // libxlsxwriter would silently turn to /tmp.
        guard access(temporaryDirectory, W_OK | X_OK) == 0 else { throw .system() }
        let file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw .system() }
        close(file)
        let opened = temporaryDirectory.withCString { directory in
            var options = lxw_workbook_options()
            options.constant_memory = 1
            options.tmpdir = UnsafeMutablePointer(mutating: directory)
            return workbook_new_opt(path, &options)
        }
        guard let opened else { throw .io(ENOMEM) }
        guard let formats = Formats(opened, language: language) else {
            lxw_workbook_free(opened)
            throw .io(ENOMEM)
        }
        self.formats = formats
        self.path = path
        self.temporaryDirectory = temporaryDirectory
        workbook = opened
        var properties = lxw_doc_properties()
        // Zero would be the time of the clock.
        properties.created = max(1, Int(exactly: created.timeIntervalSince1970.rounded(.down)) ?? 1)
        workbook_set_properties(workbook, &properties)
    }

    deinit {
        if !isWhole { unlink(path) }
        guard !isClosed else { return }
        for sheet in sheets {
            // lxw_workbook_free forgets them.
            if let rows = sheet.pointee.optimize_tmpfile { fclose(rows) }
        }
        lxw_workbook_free(workbook)
    }

    func addSheet(_ name: String) throws(WorkbookError) -> UnsafeMutablePointer<lxw_worksheet> {
        errno = 0
        guard let sheet = workbook_add_worksheet(workbook, name) else {
            throw errno == 0 ? .invalid("the sheet “\(name)” could not be added") : .system()
        }
        sheets.append(sheet)
        return sheet
    }

    /// Puts the file together. It is closed afterwards, also if that fails.
    func finish() throws(WorkbookError) {
        try requireRoom()
        let rows = sheets.map { Int($0.pointee.dim_rowmax) + 1 }
        isClosed = true
        if let failure = WorkbookError(workbook_close(workbook)) { throw failure }
        try WorkbookCheck.check(path, rows: rows)
        isWhole = true
    }

    /// libxlsxwriter keeps a temporary file open for ever if the disk fills up while it puts the workbook together:
    /// better not to begin.
    private func requireRoom() throws(WorkbookError) {
        var needed = 1 << 16
        for sheet in sheets {
            guard let rows = sheet.pointee.optimize_tmpfile else { continue }
            guard fflush(rows) == 0, ferror(rows) == 0 else { throw .system() }
            needed += 2 * ftell(rows) + 512 * Int(sheet.pointee.hlink_count)
        }
        var volume = statvfs()
        guard statvfs(temporaryDirectory, &volume) == 0 else { throw .system() }
        let (room, isVast) = volume.f_bavail.multipliedReportingOverflow(by: volume.f_frsize)
        guard isVast || room >= UInt(needed) else { throw .full }
    }
}

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
