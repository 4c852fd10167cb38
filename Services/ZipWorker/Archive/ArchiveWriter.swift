import Blocking
import CLinux
import Foundation
import Glibc
import Models
import Storage
import Synchronization

struct ArchiveSettings: Hashable, Sendable {
    /// Files copied at once. The archive's threads must be at least as many.
    var copyThreads = 2
    /// Whether the archive's file system shares blocks. The archive then gets its length before its files: on XFS a
    /// clone behind the end of a file takes four times as long as one within it.
    var sharesBlocks = false
    /// The share, 0…1, of cloned files that are read all the same to compare their CRC-32. A file whose bytes pass
    /// through memory is always compared.
    var verifyShare = 0.0
    /// A cancelled archive is still finished if no more than this is left to copy, in bytes.
    var finishBytes: Int64 = 256 << 20
}

/// Writes one ZIP archive.
///
/// ```swift
/// var archive = ArchiveWriter(output: descriptor, settings: settings, threads: threads)
/// let media = try await archive.add(files) { index in … }
/// _ = try await archive.add("manifest.json", modified: now) { text in text.append("{}") }
/// let bytes = try await archive.finish()
/// ```
/// Media is stored, and every entry's data begins at a multiple of 4096: a file system that shares blocks (XFS,
/// btrfs) gets no second copy of it, and nothing is read. Elsewhere it is copied by several threads. Local headers
/// have true sizes and checksums, so readers that stream can read every entry. The same files give the same bytes,
/// however many threads there are.
///
/// After an error the archive is of no use, and only letting go of it makes sense.
struct ArchiveWriter: ~Copyable {
    private let target: ArchiveTarget
    private let pool: CopyPool
    private var directory = CentralDirectory()
    private var end: Int64 = 0

    /// Begins an archive in an empty file that is open for reading and writing; nothing is written yet. The file stays
    /// the caller's, to sync and to close.
    ///
    /// `threads` are at least `settings.copyThreads`. `draw` gives a number from 0 to 1 for each cloned file: below
    /// `settings.verifyShare`, it is read and its CRC-32 compared.
    init(
        output descriptor: Int32,
        settings: ArchiveSettings,
        threads: BlockingThreads,
        draw: @escaping @Sendable () -> Double = { .random(in: 0..<1) }
    ) {
        let progress = CopyProgress(finishBytes: settings.finishBytes)
        let share = settings.verifyShare
        target = ArchiveTarget(
            output: ArchiveOutput(descriptor: descriptor),
            sharesBlocks: settings.sharesBlocks,
            progress: progress,
            verifies: { share > 0 && draw() < share }
        )
        pool = CopyPool(threads: threads, size: settings.copyThreads, progress: progress)
    }

    /// Adds files: those that are stored in their order, then those that are deflated.
    ///
    /// A file that cannot be read to its end gets no entry. Where it was to be, the archive is written again
    /// without it: readers that stream cannot pass over a gap.
    ///
    /// A cancelled task stops it between two chunks, unless `ArchiveSettings.finishBytes` or less is left of these
    /// files and of what is known to come; after a cancellation no more than that is copied, in this call and the next
    /// ones together.
    ///
    /// - Parameters:
    ///   - files: Names must differ; that is not checked.
    ///   - laterBytes: What the next calls are known to bring.
    ///   - finished: Gets the index of each file once, in any order, on any thread, when it is dealt with.
    /// - Returns: What became of each file, in their order.
    /// - Throws: `full`, `cancelled`, and `io` for anything that is not a source's fault.
    mutating func add(
        _ files: [ArchiveFile],
        before laterBytes: Int64 = 0,
        finished: @escaping @Sendable (Int) -> Void = { _ in }
    ) async throws(ArchiveError) -> [ArchivedEntry] {
        guard files.allSatisfy({ EntryHeader.canHold(name: $0.name) }) else {
            throw ArchiveError(errno: ENAMETOOLONG, "name")
        }
        let batch = ArchiveBatch(
            files: files,
            laterBytes: laterBytes,
            target: target,
            pool: pool,
            finished: finished
        )
        return try await batch.run(directory: &directory, end: &end)
    }

    /// Adds text that is made as it is written, deflated. However long it is, it is never whole in memory. `write` runs
    /// on one of the threads and may block.
    ///
    /// - Throws: `full`, `io`, `cancelled`.
    mutating func add(
        _ name: String,
        modified: Date,
        write: @escaping @Sendable (inout TextEntry) -> Void
    ) async throws(ArchiveError) -> ArchivedEntry {
        guard EntryHeader.canHold(name: name) else { throw ArchiveError(errno: ENAMETOOLONG, "name") }
        pool.progress.begin(0)
        let (header, sums, end) = try await pool.onOneThread { [target, end] () throws(ArchiveError) in
            let entry = try DeflatedEntry(
                name: name,
                modified: EntryTime(modified),
                output: target.output,
                at: end,
                mayBeLarge: true,
                hashes: true
            )
            var text = TextEntry(entry, progress: target.progress)
            write(&text)
            return try text.finish()
        }
        directory.append(header)
        self.end = end
        return ArchivedEntry(
            name: name,
            content: sums.digest.map { .init(bytes: header.bytes, crc32: header.crc32, sha256: $0) },
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
        return try await pool.onOneThread { () throws(ArchiveError) in
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

/// What all threads that write one archive share.
struct ArchiveTarget: Sendable {
    let output: ArchiveOutput
    let reflinks = ReflinkSupport()
    /// Whether the archive's file system shares blocks.
    let sharesBlocks: Bool
    let progress: CopyProgress
    /// Says of the next cloned file whether it is read to compare its CRC-32.
    let verifies: @Sendable () -> Bool
}

/// The file an archive is written to. Threads may write different parts of it at once.
struct ArchiveOutput: Sendable {
    /// Open for reading and writing; the caller's.
    let descriptor: Int32

    /// Writes all of the bytes.
    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int64) throws(ArchiveError) {
        var rest = bytes[...]
        var offset = off_t(offset)
        while !rest.isEmpty {
            let part = UnsafeRawBufferPointer(rebasing: rest)
            let count = uninterrupted { pwrite(descriptor, part.baseAddress, part.count, offset) }
            guard count > 0 else {
                throw count == 0 ? .full : .last("write")
            }
            rest = rest.dropFirst(count)
            offset += off_t(count)
        }
    }

    func write(_ bytes: [UInt8], at offset: Int64) throws(ArchiveError) {
        let outcome = bytes.withUnsafeBytes { buffer in
            Result { () throws(ArchiveError) in try write(buffer, at: offset) }
        }
        try outcome.get()
    }

    func truncate(to bytes: Int64) throws(ArchiveError) {
        guard uninterrupted({ ftruncate(descriptor, off_t(bytes)) }) == 0 else { throw .last("ftruncate") }
    }

    /// Sends a range on its way to the disk and does not wait for it.
    func startWriteBack(_ range: Range<Int64>) throws(ArchiveError) {
        let count = off_t(range.upperBound - range.lowerBound)
        let result = uninterrupted {
            sync_file_range(descriptor, off_t(range.lowerBound), count, UInt32(SYNC_FILE_RANGE_WRITE))
        }
        // Only speed is lost where the file system cannot do it.
        guard result == 0 || errno == ENOSYS || errno == EINVAL || errno == ESPIPE else {
            throw .last("sync_file_range")
        }
    }
}

/// Sends what one thread writes on its way to the disk early, so that the sync at the end has little left to do.
struct WriteBack {
    private static let step: Int64 = 8 << 20

    private var range: Range<Int64>?
    private var pending: Int64 = 0

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

/// The threads that work on one archive side by side.
struct CopyPool: Sendable {
    /// Gives each number from 0 once, to whichever thread asks next.
    final class Turns: Sendable {
        private let count: Int
        private let taken = Atomic(0)

        init(count: Int) {
            self.count = count
        }

        func next() -> Int? {
            let turn = taken.wrappingAdd(1, ordering: .relaxed).oldValue
            return turn < count ? turn : nil
        }
    }

    let threads: BlockingThreads
    let size: Int
    let progress: CopyProgress

    /// Runs `body` on as many threads as there is work for, and returns when all have ended.
    ///
    /// - Parameters:
    ///   - count: How many turns there are.
    ///   - body: Takes turns until none is left, and calls `progress.check()` often. It blocks.
    /// - Throws: The first error of any thread; `cancelled` if the task is and much is left to do.
    func share(
        _ count: Int,
        _ body: @escaping @Sendable (Turns) throws(ArchiveError) -> Void
    ) async throws(ArchiveError) {
        let turns = Turns(count: count)
        await withTaskCancellationHandler {
            await withTaskGroup(of: Void.self) { group in
                for _ in 0..<min(count, max(1, size)) {
                    group.addTask { await run { () throws(ArchiveError) in try body(turns) } }
                }
            }
        } onCancel: {
            progress.cancel()
        }
        try progress.check()
    }

    /// Runs `body` on one thread and gives what it returns.
    func onOneThread<Value: Sendable>(
        _ body: @escaping @Sendable () throws(ArchiveError) -> Value
    ) async throws(ArchiveError) -> Value {
        let result = OrderedResults<Value>(count: 1)
        try await share(1) { _ throws(ArchiveError) in result[0] = try body() }
        guard let value = result[0] else { throw .cancelled }
        return value
    }

    private func run(_ body: @escaping @Sendable () throws(ArchiveError) -> Void) async {
        await threads.run {
            do throws(ArchiveError) {
                try progress.check()
                try body()
            } catch {
                progress.fail(error)
            }
        }
    }
}

/// A place for the result of each turn, which the threads fill in any order.
final class OrderedResults<Value: Sendable>: Sendable {
    private let results: Mutex<[Value?]>

    init(count: Int) {
        results = Mutex(Array(repeating: nil, count: count))
    }

    subscript(index: Int) -> Value? {
        get { results.withLock { $0[index] } }
        set { results.withLock { $0[index] = newValue } }
    }

    /// The results that are there, in the order of their turns. None are left here.
    func take() -> [Value] {
        results.withLock { results in
            var values: [Value] = []
            values.reserveCapacity(results.count)
            for result in results { if let result { values.append(result) } }
            results = []
            return values
        }
    }
}

/// How much is left to copy, and whether the threads of an archive must stop: one has failed, or the task was cancelled
/// while much is left.
///
/// `Task.isCancelled` cannot say it: the threads run no task, and an archive that is nearly complete is finished after
/// a cancellation all the same.
final class CopyProgress: Sendable {
    private struct State {
        var error: ArchiveError?
        /// Known to be left to copy, in bytes.
        var left: Int64 = 0
        /// What may be copied beyond that; nil until the task is cancelled.
        var allowance: Int64?

        mutating func allow(_ bytes: Int64) {
            allowance = bytes
            if bytes < 0, error == nil { error = .cancelled }
        }
    }

    private let finishBytes: Int64
    private let state = Mutex(State())

    /// - Parameter finishBytes: What may be left to copy after a cancellation, in bytes.
    init(finishBytes: Int64) {
        self.finishBytes = finishBytes
    }

    /// Says how much is to be copied from now on, as far as it is known. What was said before is part of it.
    func begin(_ bytes: Int64) {
        state.withLock { state in
            let more = bytes - state.left
            state.left = bytes
            if let allowance = state.allowance { state.allow(allowance - more) }
        }
    }

    /// Says that some of it is done.
    func advance(_ bytes: Int64) {
        state.withLock { state in
            let known = min(bytes, state.left)
            state.left -= known
            // Text that is being made has no known size.
            if let allowance = state.allowance { state.allow(allowance - (bytes - known)) }
        }
    }

    /// The task was cancelled. What is begun goes on if little enough is left.
    func cancel() {
        state.withLock { state in
            if state.allowance == nil { state.allow(finishBytes - state.left) }
        }
    }

    /// The first failure is the one that counts.
    func fail(_ error: ArchiveError) {
        state.withLock { $0.error = $0.error ?? error }
    }

    /// Called between two chunks.
    func check() throws(ArchiveError) {
        if let error = state.withLock({ $0.error }) { throw error }
    }
}
