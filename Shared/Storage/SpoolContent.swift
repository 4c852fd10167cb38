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
    private var sentToDisk: Int64 = 0
    private var sums = RunningSums()

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
        try file.truncate(to: sums.bytes)
        try file.startWriteBack(from: sentToDisk, to: sums.bytes)
        return FinishedSpool(file: file, isSynced: false, volume: volume, stored: try sums.stored(on: volume))
    }

    private mutating func append(_ piece: UnsafeRawBufferPointer) -> Result<Void, StorageError> {
        do throws(StorageError) {
            try file.write(piece, at: sums.bytes)
            sums.update(piece)
            if sums.bytes - sentToDisk >= Self.writeBackStep { try writeBack() }
            return .success(())
        } catch {
            return .failure(error)
        }
    }

    private mutating func writeBack() throws(StorageError) {
        try file.startWriteBack(from: sentToDisk, to: sums.bytes)
        sentToDisk = sums.bytes
        // Blocks beyond the declared length were not asked for when the volume was chosen.
        guard sums.bytes > expected else { return }
        guard try volume.free() >= reserve else { throw StorageError(.full, volume.name) }
    }
}

extension RunningSums {
    /// What a row says of the whole file.
    func stored(on volume: Volume) throws(StorageError) -> StoredFile {
        guard let digest else { throw StorageError(errno: EINVAL, "sha256", volume.spool.path) }
        return StoredFile(volume: volume.name, sha256: digest, crc32: crc32, bytes: bytes)
    }
}
