import CDeflate
import Crypto
import Glibc
import Models

/// What has been written to a spool file, and the sums of it.
struct SpoolContent: ~Copyable, Sendable {
    /// Dirty pages beyond this are sent to the disk early, so that the sync at the end has little left to do.
    private static let writeBackStep: Int64 = 8 << 20

    private let file: TemporaryFile
    private let volume: Volume
    /// Bytes for which there is room already.
    private let expected: Int64
    private let reserve: Int64
    private var bytes: Int64 = 0
    private var sentToDisk: Int64 = 0
    private var sha256 = SHA256()
    private var crc32: UInt32 = 0

    init(file: consuming TemporaryFile, volume: Volume, expected: Int64, reserve: Int64) {
        self.file = file
        self.volume = volume
        self.expected = expected
        self.reserve = reserve
    }

    /// Hashes and writes one piece.
    mutating func append(_ piece: some Collection<UInt8>) throws(StorageError) {
        let outcome = piece.withContiguousStorageIfAvailable { append(UnsafeRawBufferPointer($0)) }
        if case .failure(let error) = outcome ?? Array(piece).withUnsafeBytes({ append($0) }) { throw error }
    }

    /// Gives back what was reserved beyond the bytes, and sends the rest of them on their way to the disk.
    consuming func finish() throws(StorageError) -> FinishedSpool {
        try file.truncate(to: bytes)
        try file.startWriteBack(from: sentToDisk, to: bytes)
        guard let digest = SHA256Digest(bytes: sha256.finalize()) else {
            throw StorageError(errno: EINVAL, "sha256", volume.spool.path)
        }
        let stored = StoredFile(volume: volume.name, sha256: digest, crc32: crc32, bytes: bytes)
        return FinishedSpool(file: file, isSynced: false, volume: volume, stored: stored)
    }

    private mutating func append(_ piece: UnsafeRawBufferPointer) -> Result<Void, StorageError> {
        // An empty piece may have no address, which libdeflate takes for the wish to start again.
        guard !piece.isEmpty else { return .success(()) }
        do throws(StorageError) {
            sha256.update(bufferPointer: piece)
            crc32 = libdeflate_crc32(crc32, piece.baseAddress, piece.count)
            try file.write(piece, at: bytes)
            bytes += Int64(piece.count)
            if bytes - sentToDisk >= Self.writeBackStep { try writeBack() }
            return .success(())
        } catch {
            return .failure(error)
        }
    }

    private mutating func writeBack() throws(StorageError) {
        try file.startWriteBack(from: sentToDisk, to: bytes)
        sentToDisk = bytes
        // Blocks beyond the declared length were not asked for when the volume was chosen.
        guard bytes > expected else { return }
        guard try volume.free() >= reserve else { throw StorageError(.full, volume.name) }
    }
}
