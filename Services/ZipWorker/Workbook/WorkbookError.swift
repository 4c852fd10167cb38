import CXLSXWriter
import Foundation

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
