import Foundation
import Glibc
import Models
import Storage

/// A file that becomes an entry of an archive. It must not change while the archive is written.
struct ArchiveFile: Hashable, Sendable {
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
struct ArchivedEntry: Hashable, Sendable {
    /// Size and checksums of the bytes an entry gives back, whatever a row says.
    struct Content: Hashable, Sendable {
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

/// Calls until it is not interrupted by a signal.
func uninterrupted<Count: SignedInteger>(_ call: () -> Count) -> Count {
    while true {
        let result = call()
        if result != -1 || errno != EINTR { return result }
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
