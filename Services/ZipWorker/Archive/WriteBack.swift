/// Sends what one thread writes on its way to the disk early, so that the sync at the end has little left to do.
struct WriteBack {
    private static let step: Int64 = 8 << 20

    private var range: Range<Int64>?
    private var pending: Int64 = 0

    /// Says that a range was written.
    mutating func wrote(_ written: Range<Int64>, to output: ArchiveOutput) throws(ArchiveError) {
        let known = range ?? written
        let whole = min(known.lowerBound, written.lowerBound)..<max(known.upperBound, written.upperBound)
        range = whole
        pending += written.upperBound - written.lowerBound
        guard pending >= Self.step else { return }
        try output.startWriteBack(whole)
        range = nil
        pending = 0
    }
}
