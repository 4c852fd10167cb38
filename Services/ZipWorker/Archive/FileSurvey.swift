/// What is found of a file before anything is written, so that every entry's place is known.
enum FileSurvey: Sendable {
    /// It becomes an entry of this size.
    case found(bytes: Int64, deflates: Bool)
    /// It does not.
    case lost(ArchiveProblem)
}

/// Looks at files, one after another.
struct Surveyor: ~Copyable {
    private static let sampleBytes: Int64 = 64 << 10

    private let buffer = ChunkBuffer(count: Int(sampleBytes))

    /// Opens a file, takes its size, and tries on samples whether it deflates well if it may be deflated.
    func survey(_ file: ArchiveFile) throws(ArchiveError) -> FileSurvey {
        do throws(SourceFailure) {
            let source = try SourceFile(file.source.path)
            return .found(bytes: source.bytes, deflates: file.mayDeflate ? try deflates(source) : false)
        } catch {
            return .lost(try error.problem)
        }
    }

    /// True if samples shrink by a tenth: one from the beginning, and for a larger file one from the middle, since
    /// many formats put a compressible header before what is compressed already.
    private func deflates(_ source: borrowing SourceFile) throws(SourceFailure) -> Bool {
        guard source.bytes > 0 else { return false }
        var deflater = try forArchive(Deflater.init)
        var sampled: Int64 = 0
        var deflated: Int64 = 0
        let middle = source.bytes / 2
        for start in source.bytes > 4 * Self.sampleBytes ? [0, middle] : [0] {
            let end = min(start + Self.sampleBytes, source.bytes)
            let sample = try buffer.fill(from: source, at: start, end: end)
            deflater.reset()
            deflater.add(sample, isLast: true) { deflated += Int64($0.count) }
            sampled += end - start
        }
        return deflated * 10 <= sampled * 9
    }
}
