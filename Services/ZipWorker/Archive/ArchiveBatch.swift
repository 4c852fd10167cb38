import Foundation
import Glibc
import Models
import Storage

/// The files of one `ArchiveWriter.add` on their way into the archive: looked at, then stored side by side, then
/// deflated.
struct ArchiveBatch: Sendable {
    /// Files from this size on are copied first, the largest before the others, so that no thread is left alone
    /// with a video at the end.
    private static let largeBytes: Int64 = 8 << 20

    private struct Waiting: Sendable {
        let index: Int
        let bytes: Int64
    }

    let files: [ArchiveFile]
    /// What is known to come after them.
    let laterBytes: Int64
    let target: ArchiveTarget
    let pool: CopyPool
    let finished: @Sendable (Int) -> Void

    /// Adds the files to an archive.
    ///
    /// - Parameters:
    ///   - directory: Gets the new entries, in the order of their data.
    ///   - end: Where the archive ends; moved behind them.
    /// - Returns: What became of each file, in their order.
    /// - Throws: `full`, `io`, `cancelled`.
    func run(directory: inout CentralDirectory, end: inout Int64) async throws(ArchiveError) -> [ArchivedEntry] {
        let surveys = try await survey()
        let outcomes = OrderedResults<ArchivedEntry>(count: files.count)
        var stored: [Waiting] = []
        var deflated: [Waiting] = []
        for index in files.indices {
            switch surveys[index] {
            case .found(let bytes, true): deflated.append(Waiting(index: index, bytes: bytes))
            case .found(let bytes, false): stored.append(Waiting(index: index, bytes: bytes))
            case .lost(let problem):
                outcomes[index] = lost(files[index], problem)
                finished(index)
            case nil: break
            }
        }
        var isFirst = true
        while !stored.isEmpty {
            expect(stored + deflated)
            stored = try await store(stored, outcomes, reports: isFirst, directory: &directory, end: &end)
            isFirst = false
        }
        try await deflate(deflated, outcomes, directory: &directory, end: &end)
        return outcomes.take()
    }

    private func survey() async throws(ArchiveError) -> OrderedResults<Surveyor.Finding> {
        let surveys = OrderedResults<Surveyor.Finding>(count: files.count)
        try await pool.share(files.count) { turns throws(ArchiveError) in
            let surveyor = Surveyor()
            while let index = turns.next() {
                try pool.progress.check()
                surveys[index] = try surveyor.survey(files[index])
            }
        }
        return surveys
    }

    private func expect(_ waiting: [Waiting]) {
        pool.progress.begin(waiting.reduce(laterBytes) { $0 + $1.bytes })
    }

    /// Stores files side by side, and keeps those before the first that cannot be read.
    ///
    /// - Returns: The readable ones behind that; they are to be stored again, closer to the beginning.
    private func store(
        _ waiting: [Waiting],
        _ outcomes: OrderedResults<ArchivedEntry>,
        reports: Bool,
        directory: inout CentralDirectory,
        end: inout Int64
    ) async throws(ArchiveError) -> [Waiting] {
        let offsets = layOut(waiting, from: end)
        let order = copyOrder(of: waiting)
        let place = { @Sendable (position: Int) in
            StoredEntry(files[waiting[position].index], bytes: waiting[position].bytes, at: offsets[position])
        }
        if target.sharesBlocks, let last = waiting.indices.last {
            let output = target.output
            let end = place(last).end
            try await pool.onOneThread { () throws(ArchiveError) in try output.truncate(to: end) }
        }
        try await pool.share(waiting.count) { turns throws(ArchiveError) in
            var copier = StoredCopier(target)
            while let turn = turns.next() {
                let entry = place(order[turn])
                let index = waiting[order[turn]].index
                outcomes[index] = try orLost(entry.file) { () throws(SourceFailure) in try copier.copy(entry) }
                if reports { finished(index) }
            }
        }
        for position in waiting.indices {
            guard let outcome = outcomes[waiting[position].index], outcome.isIncluded else {
                let output = target.output
                try await pool.onOneThread { [end] () throws(ArchiveError) in try output.truncate(to: end) }
                return waiting[position...].filter { outcomes[$0.index]?.isIncluded == true }
            }
            let entry = place(position)
            directory.append(entry.header(of: outcome))
            end = entry.end
        }
        return []
    }

    /// Deflates files, one behind the other.
    private func deflate(
        _ waiting: [Waiting],
        _ outcomes: OrderedResults<ArchivedEntry>,
        directory: inout CentralDirectory,
        end: inout Int64
    ) async throws(ArchiveError) {
        guard !waiting.isEmpty else { return }
        expect(waiting)
        (directory, end) = try await pool.onOneThread { [directory, end] () throws(ArchiveError) in
            var directory = directory
            var end = end
            var deflater = FileDeflater(target)
            for file in waiting {
                let source = files[file.index]
                outcomes[file.index] = try orLost(source) { () throws(SourceFailure) in
                    let placed = try deflater.add(source, bytes: file.bytes, at: end)
                    directory.append(placed.header)
                    end = placed.end
                    return placed.entry
                }
                if outcomes[file.index]?.isIncluded != true { try target.output.truncate(to: end) }
                finished(file.index)
            }
            return (directory, end)
        }
    }

    /// Where each entry begins. Its place follows from that and is not kept: there may be 100 000.
    private func layOut(_ waiting: [Waiting], from start: Int64) -> [Int64] {
        var end = start
        return waiting.map { file in
            let place = StoredEntry(files[file.index], bytes: file.bytes, at: end)
            end = place.end
            return place.offset
        }
    }

    private func copyOrder(of waiting: [Waiting]) -> [Int] {
        let rank = { (file: Waiting) in file.bytes < Self.largeBytes ? 0 : file.bytes }
        return waiting.indices.sorted { left, right in
            let (leftRank, rightRank) = (rank(waiting[left]), rank(waiting[right]))
            return leftRank == rightRank ? left < right : leftRank > rightRank
        }
    }

    private func orLost(
        _ file: ArchiveFile,
        _ body: () throws(SourceFailure) -> ArchivedEntry
    ) throws(ArchiveError) -> ArchivedEntry {
        do throws(SourceFailure) {
            return try body()
        } catch {
            return lost(file, try error.problem)
        }
    }

    private func lost(_ file: ArchiveFile, _ problem: FileProblem) -> ArchivedEntry {
        ArchivedEntry(name: file.name, content: nil, problem: problem)
    }
}

/// Looks at files before anything is written, so that every entry's place is known.
private struct Surveyor: ~Copyable {
    enum Finding: Sendable {
        /// It becomes an entry of this size.
        case found(bytes: Int64, deflates: Bool)
        case lost(FileProblem)
    }

    private static let sampleBytes: Int64 = 64 << 10
    private static let largestBytes: Int64 = 1 << 50

    private let buffer = ChunkBuffer(count: Int(sampleBytes))

    /// Opens a file, takes its size, and tries on samples whether it deflates well if it may be deflated.
    func survey(_ file: ArchiveFile) throws(ArchiveError) -> Finding {
        do throws(SourceFailure) {
            let source = try file.open()
            // A hole of nearly all that 64 bits count, which no upload leaves: its place could not be computed.
            guard source.size <= Self.largestBytes else { return .lost(.unreadable) }
            return .found(bytes: source.size, deflates: file.mayDeflate ? try deflates(source) : false)
        } catch {
            return .lost(try error.problem)
        }
    }

    /// True if samples shrink by a tenth: one from the beginning, and for a larger file one from the middle, since
    /// many formats put a compressible header before what is compressed already.
    private func deflates(_ source: FileReader) throws(SourceFailure) -> Bool {
        guard source.size > 0 else { return false }
        var deflater = try forArchive(Deflater.init)
        var sampled: Int64 = 0
        var deflated: Int64 = 0
        let middle = source.size / 2
        for start in source.size > 4 * Self.sampleBytes ? [0, middle] : [0] {
            let end = min(start + Self.sampleBytes, source.size)
            let sample = try buffer.fill(from: source, at: start, end: end)
            deflater.reset()
            deflater.add(sample, isLast: true) { deflated += Int64($0.count) }
            sampled += end - start
        }
        return deflated * 10 <= sampled * 9
    }
}

/// A file that becomes an entry of an archive. It must not change while the archive is written.
struct ArchiveFile: Hashable, Codable, Sendable {
    /// The entry's name: a path with `/`, at most 65 535 bytes of UTF-8.
    let name: String
    let modified: Date
    /// Absolute path.
    let path: String
    /// Size as its row says, in bytes; nil if no row does: whatever the file holds is then right.
    var bytes: Int64?
    /// Of the whole file; nil if no row says it, so that the file is read.
    var crc32: UInt32?
    /// Of the whole file; nil if no row says it, so that the file is read.
    var sha256: SHA256Digest?
    /// Whether to deflate it where that saves a tenth or more: right for documents and text, a waste of time for
    /// photos and videos.
    var mayDeflate = false

    func open() throws(SourceFailure) -> FileReader {
        do throws(StorageError) { return try FileReader(path: path) } catch { throw SourceFailure(error) }
    }
}

/// What became of a file.
struct ArchivedEntry: Hashable, Codable, Sendable {
    /// Size and checksums of the bytes an entry gives back, whatever a row says.
    struct Content: Hashable, Codable, Sendable {
        /// Before compression.
        let bytes: Int64
        let crc32: UInt32
        let sha256: SHA256Digest
    }

    let name: String
    /// Nil if the archive has no entry for the file.
    let content: Content?
    /// A file that is not as its row says has an entry all the same.
    let problem: FileProblem?

    var isIncluded: Bool { content != nil }
}

/// Why an archive cannot be written; what was written of it is of no use.
///
/// A source that is missing or damaged is no error but a `FileProblem`: the archive is delivered without it.
enum ArchiveError: Error, Hashable, CustomStringConvertible {
    /// The disk under the archive is full: blocks or quota.
    case full
    case io(errno: Int32, operation: String)
    /// The task was cancelled with more left to copy than is finished all the same.
    case cancelled

    init(errno number: Int32, _ operation: String) {
        self =
            switch number {
            case ENOSPC, EDQUOT: .full
            default: .io(errno: number, operation: operation)
            }
    }

    /// The error of the system call that has just failed.
    static func last(_ operation: String) -> ArchiveError { ArchiveError(errno: errno, operation) }

    var description: String {
        switch self {
        case .full: "no room is left for the archive"
        case .io(let number, let operation): "the archive: \(operation): \(String(cString: strerror(number)))"
        case .cancelled: "the archive was cancelled"
        }
    }
}

/// Why a file did not become an entry.
enum SourceFailure: Error {
    /// It is the file's fault; the archive goes on without it.
    case source(FileProblem)
    /// The archive cannot go on.
    case archive(ArchiveError)

    init(_ error: StorageError) {
        self =
            switch error.kind {
            case .missing, .io(ENOTDIR, _): .source(.missing)
            // The machine's shortage says nothing about the file.
            case .io(let number, let operation) where [EMFILE, ENFILE, ENOMEM].contains(number):
                .archive(.io(errno: number, operation: operation))
            default: .source(.unreadable)
            }
    }

    /// The file's problem.
    ///
    /// - Throws: The error of the archive, if that is what failed.
    var problem: FileProblem {
        get throws(ArchiveError) {
            switch self {
            case .source(let problem): return problem
            case .archive(let error): throw error
            }
        }
    }
}

/// Gives an error of the archive the type of code that also meets errors of sources.
func forArchive<Value: ~Copyable>(_ body: () throws(ArchiveError) -> Value) throws(SourceFailure) -> Value {
    do throws(ArchiveError) {
        return try body()
    } catch {
        throw .archive(error)
    }
}

/// What a row says about the bytes of a file, as far as it can be believed.
struct ExpectedChecksums: Sendable {
    /// To be compared with what is read; nil: to be computed.
    let crc32: UInt32?
    /// To be passed on; nil: to be computed.
    let sha256: SHA256Digest?
    private let problem: FileProblem?

    /// Of a file of another size nothing is believed.
    init(_ file: ArchiveFile, found bytes: Int64) {
        let expected = file.bytes ?? bytes
        let isSize = expected == bytes
        crc32 = isSize ? file.crc32 : nil
        sha256 = isSize ? file.sha256 : nil
        problem = isSize ? nil : .sizeDiffers(expected: expected, found: bytes)
    }

    /// True if the file must be read even if its bytes need not be copied.
    var isIncomplete: Bool { crc32 == nil || sha256 == nil }

    /// What the archive says of the file. `sums` are of what was read, nil if it was not; `hash` reads the file again
    /// for its SHA-256, and is called if the bytes are not those of the row.
    func entry(
        named name: String,
        bytes: Int64,
        sums: RunningSums?,
        hash: () throws(SourceFailure) -> SHA256Digest?
    ) throws(SourceFailure) -> ArchivedEntry {
        let isDifferent = if let sums, let crc32 { sums.crc32 != crc32 } else { false }
        var digest = sums?.digest
        if digest == nil { digest = isDifferent ? try hash() : sha256 }
        guard let crc32 = sums?.crc32 ?? crc32, let digest else {
            throw .archive(.io(errno: EINVAL, operation: "checksum"))
        }
        return ArchivedEntry(
            name: name,
            content: ArchivedEntry.Content(bytes: bytes, crc32: crc32, sha256: digest),
            problem: isDifferent ? .checksumDiffers : problem
        )
    }
}
