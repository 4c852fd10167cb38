import CXLSXWriter
import Foundation
import Models

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
    }

    /// What cells look like.
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

    /// Adds a sheet behind the others.
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
        guard volume.f_bavail * volume.f_frsize >= UInt(needed) else { throw .full }
    }
}

extension WorkbookFile.Formats {
    fileprivate init?(_ workbook: UnsafeMutablePointer<lxw_workbook>, language: Export.Language) {
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
        self.init(heading: heading, count: count, boolean: boolean, time: time, warning: warning, link: link)
    }
}
