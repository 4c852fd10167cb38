import Foundation
import Models

/// A file that becomes an entry of an archive.
struct ArchiveFile: Hashable, Sendable {
    /// The entry's name: a path with `/`, at most 65 535 bytes of UTF-8.
    let name: String
    /// Shown as the entry's time.
    let modified: Date
    /// Where its bytes are.
    let source: ArchiveSource
    /// Whether to deflate it where that saves a tenth or more: right for documents and text, a waste of time for
    /// photos and films.
    let mayDeflate: Bool
}

/// A file on a volume, and what its row says about it. It must not change while the archive is written.
struct ArchiveSource: Hashable, Sendable {
    /// Absolute path.
    let path: String
    /// Size, in bytes; nil if there is no row to compare with.
    let bytes: Int64?
    /// Of the whole file; nil if the row has none, so that the file is read.
    let crc32: UInt32?
    /// Of the whole file; nil if the row has none, so that the file is read.
    let sha256: SHA256Digest?

    /// A file without a row, as a worker makes it: whatever it holds is right.
    init(path: String) {
        self.init(path: path, bytes: nil, crc32: nil, sha256: nil)
    }

    /// A file with a row.
    init(path: String, bytes: Int64?, crc32: UInt32?, sha256: SHA256Digest?) {
        self.path = path
        self.bytes = bytes
        self.crc32 = crc32
        self.sha256 = sha256
    }
}

/// What became of a file.
struct ArchivedEntry: Hashable, Sendable {
    /// The entry's name.
    let name: String
    /// What the archive holds of it; nil if it has no entry.
    let content: ArchivedContent?
    /// What is wrong with it. A file that is not as its row says has an entry all the same.
    let problem: ArchiveProblem?

    /// Whether the archive has an entry for it.
    var isIncluded: Bool { content != nil }
}

extension ArchivedEntry {
    /// A file without an entry.
    init(_ file: ArchiveFile, lost problem: ArchiveProblem) {
        self.init(name: file.name, content: nil, problem: problem)
    }
}

/// Size and sums of the bytes an entry gives back, whatever a row says.
struct ArchivedContent: Hashable, Sendable {
    /// Size before compression, in bytes.
    let bytes: Int64
    /// Of the whole entry.
    let crc32: UInt32
    /// Of the whole entry.
    let sha256: SHA256Digest
}

/// What is wrong with a file.
enum ArchiveProblem: Hashable, Sendable {
    /// There is no such file: no entry.
    case missing
    /// It cannot be opened or read to its end, or is no regular file: no entry.
    case unreadable(errno: Int32)
    /// It has another size than its row says. The entry holds what is there.
    case sizeDiffers(expected: Int64, found: Int64)
    /// Its size is right and its bytes are not. The entry holds what is there.
    case checksumDiffers
}
