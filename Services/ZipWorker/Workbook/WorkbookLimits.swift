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
