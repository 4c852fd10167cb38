import Glibc
import Models

/// What a row says about the bytes of a file, as far as it can be believed.
struct SourceClaim: Sendable {
    /// To be compared with what is read; nil: to be computed.
    let crc32: UInt32?
    /// To be passed on; nil: to be computed.
    let sha256: SHA256Digest?
    private let problem: ArchiveProblem?

    /// Of a file of another size nothing is believed.
    init(_ source: ArchiveSource, found bytes: Int64) {
        let expected = source.bytes ?? bytes
        let isSize = expected == bytes
        crc32 = isSize ? source.crc32 : nil
        sha256 = isSize ? source.sha256 : nil
        problem = isSize ? nil : .sizeDiffers(expected: expected, found: bytes)
    }

    /// True if the file must be read even if its bytes need not be copied.
    var isIncomplete: Bool { crc32 == nil || sha256 == nil }

    /// What the archive says of the file.
    ///
    /// - Parameters:
    ///   - name: The entry's.
    ///   - bytes: Its size.
    ///   - sums: Of what was read; nil if it was not.
    ///   - hash: Reads the file again for its SHA-256. Called if the bytes are not those of the row.
    /// - Returns: Sums of the real bytes, and the problem if there is one.
    /// - Throws: What `hash` throws.
    func entry(
        named name: String,
        bytes: Int64,
        sums: Checksums?,
        hash: () throws(SourceFailure) -> SHA256Digest?
    ) throws(SourceFailure) -> ArchivedEntry {
        let isDifferent = if let sums, let crc32 { sums.crc32 != crc32 } else { false }
        var digest = sums?.sha256
        if digest == nil { digest = isDifferent ? try hash() : sha256 }
        guard let crc32 = sums?.crc32 ?? crc32, let digest else {
            throw .archive(.io(errno: EINVAL, operation: "checksum"))
        }
        return ArchivedEntry(
            name: name,
            content: ArchivedContent(bytes: bytes, crc32: crc32, sha256: digest),
            problem: isDifferent ? .checksumDiffers : problem
        )
    }
}
