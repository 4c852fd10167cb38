import Blocking
import Foundation
import Models

/// Writes one ZIP archive.
///
/// ```swift
/// var archive = ArchiveWriter(output: descriptor, settings: settings, threads: threads)
/// let media = try await archive.add(files) { index in … }
/// _ = try await archive.add("manifest.json", modified: now) { sink in sink.append("{}") }
/// let bytes = try await archive.finish()
/// ```
/// Media is stored, and every entry's data begins at a multiple of 4096: a file system that shares blocks (XFS,
/// btrfs) gets no second copy of it, and nothing is read. Elsewhere it is copied by several threads. Local headers
/// have true sizes and sums, so readers that stream can read every entry. The same files give the same bytes, however
/// many threads there are.
///
/// After an error the archive is of no use, and only letting go of it makes sense.
struct ArchiveWriter: ~Copyable {
    private let target: ArchiveTarget
    private let crew: CopyCrew
    private var directory = CentralDirectory()
    private var end: Int64 = 0

    /// Begins an archive; nothing is written yet.
    ///
    /// - Parameters:
    ///   - descriptor: An empty file, open for reading and writing. It stays the caller's, to sync and to close.
    ///   - settings: Threads and checks.
    ///   - threads: Where the work is done, at least `settings.copyThreads` of them.
    ///   - draw: Gives a number from 0 to 1 for each cloned file: below `settings.verifyShare`, it is read and its
    ///     CRC-32 compared.
    init(
        output descriptor: Int32,
        settings: ArchiveSettings,
        threads: BlockingThreads,
        draw: @escaping @Sendable () -> Double = { .random(in: 0..<1) }
    ) {
        let interruption = Interruption(finishBytes: settings.finishBytes)
        let share = settings.verifyShare
        target = ArchiveTarget(
            output: ArchiveOutput(descriptor: descriptor),
            sharesBlocks: settings.sharesBlocks,
            interruption: interruption,
            verifies: { share > 0 && draw() < share }
        )
        crew = CopyCrew(threads: threads, size: settings.copyThreads, interruption: interruption)
    }

    /// Adds files: those that are stored in their order, then those that are deflated.
    ///
    /// A file that cannot be read to its end gets no entry. Where it was to be, the archive is written again
    /// without it: readers that stream cannot pass over a gap.
    ///
    /// A cancelled task stops it between two chunks, unless `ArchiveSettings.finishBytes` or less is left of these
    /// files; after a cancellation no more than that is copied, in this call and the next ones together.
    ///
    /// - Parameters:
    ///   - files: Names must differ; that is not checked.
    ///   - finished: Gets the index of each file once, in any order, on any thread, when it is dealt with.
    /// - Returns: What became of each file, in their order.
    /// - Throws: `full`, `cancelled`, and `io` for anything that is not a source's fault.
    mutating func add(
        _ files: [ArchiveFile],
        finished: @escaping @Sendable (Int) -> Void = { _ in }
    ) async throws(ArchiveError) -> [ArchivedEntry] {
        guard files.allSatisfy({ EntryHeader.canHold(name: $0.name) }) else {
            throw ArchiveError(errno: ENAMETOOLONG, "name")
        }
        let batch = ArchiveBatch(files: files, target: target, crew: crew, finished: finished)
        return try await batch.run(directory: &directory, end: &end)
    }

    /// Adds text that is made as it is written, deflated. However long it is, it is never whole in memory.
    ///
    /// - Parameters:
    ///   - name: The entry's name.
    ///   - modified: The entry's time.
    ///   - write: Appends the text. It runs on one of the threads and may block.
    /// - Returns: Size and sums of the text.
    /// - Throws: `full`, `io`, `cancelled`.
    mutating func add(
        _ name: String,
        modified: Date,
        write: @escaping @Sendable (inout EntrySink) -> Void
    ) async throws(ArchiveError) -> ArchivedEntry {
        guard EntryHeader.canHold(name: name) else { throw ArchiveError(errno: ENAMETOOLONG, "name") }
        crew.interruption.begin(0)
        let (header, sums, end) = try await crew.alone { [target, end] () throws(ArchiveError) in
            let entry = try DeflatedEntry(
                name: name,
                modified: EntryTime(modified),
                output: target.output,
                at: end,
                mayBeLarge: true,
                hashes: true
            )
            var sink = EntrySink(entry, interruption: target.interruption)
            write(&sink)
            return try sink.finish()
        }
        directory.append(header)
        self.end = end
        return ArchivedEntry(
            name: name,
            content: sums.sha256.map { ArchivedContent(bytes: header.bytes, crc32: header.crc32, sha256: $0) },
            problem: nil
        )
    }

    /// Writes the central directory. The caller syncs the file.
    ///
    /// - Returns: Size of the archive, in bytes.
    /// - Throws: `full`, `io`, `cancelled`.
    consuming func finish() async throws(ArchiveError) -> Int64 {
        let output = target.output
        let directory = directory
        let start = end
        return try await crew.alone { () throws(ArchiveError) in
            var end = start
            for piece in directory.pieces {
                try output.write(piece, at: end)
                end += Int64(piece.count)
            }
            let records = CentralDirectory.end(count: directory.count, bytes: directory.bytes, at: start)
            try output.write(records, at: end)
            // An entry that did not deflate well may have left something behind.
            try output.truncate(to: end + Int64(records.count))
            return end + Int64(records.count)
        }
    }
}
