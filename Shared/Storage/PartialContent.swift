import Glibc

/// What has been written to a partial file, and the sums of it.
struct PartialContent: ~Copyable, Sendable {
    /// Dirty pages beyond this are sent to the disk early, so that a sync has little left to do.
    private static let writeBackStep: Int64 = 8 << 20

    private let file: TemporaryFile
    private let volume: Volume
    /// Bytes for which there is room already.
    private var expected: Int64
    private let reserve: Int64
    private var sums: RunningSums
    private var sentToDisk: Int64
    private var failure: StorageError?
    /// Whether the disk has, or will have with the next sync, all that the sums are of.
    private var isIntact = true

    init(file: consuming TemporaryFile, volume: Volume, expected: Int64, reserve: Int64, sums: RunningSums) {
        self.file = file
        self.volume = volume
        self.expected = expected
        self.reserve = reserve
        self.sums = sums
        sentToDisk = sums.bytes
    }

    /// The sums of what has been written, and the descriptor to sync; nil if nobody knows what the disk holds.
    var standing: (RunningSums, Int32)? { isIntact ? (sums, file.descriptor) : nil }

    /// Takes nothing more after a failed write. What was written before is still there if only room was lacking.
    mutating func stop(_ error: StorageError) {
        failure = failure ?? error
        if error.kind != .full { isIntact = false }
    }

    /// Takes nothing more after a failed sync: nobody knows what the disk holds.
    mutating func lose(_ error: StorageError) {
        failure = failure ?? error
        isIntact = false
    }

    mutating func resume(at sums: RunningSums, expecting bytes: Int64) throws(StorageError) {
        var status = stat()
        guard fstat(file.descriptor, &status) == 0 else { throw .last("stat", volume.spool.path) }
        guard status.st_size >= sums.bytes else { throw StorageError(.missing, volume.spool.path) }
        self.sums = sums
        expected = bytes
        sentToDisk = sums.bytes
    }

    /// Takes blocks for all of `bytes`, unless the file has them already; nil asks for room to begin with.
    mutating func takeRoom(for bytes: Int64?) throws(StorageError) {
        guard let bytes else { return try requireRoom() }
        var status = stat()
        guard fstat(file.descriptor, &status) == 0 else { throw .last("stat", volume.spool.path) }
        let missing = bytes - Int64(status.st_blocks) * 512
        if missing > 0 {
            guard try volume.free() - missing >= reserve else { throw StorageError(.full, volume.name) }
            do throws(StorageError) {
                try file.reserve(bytes)
            } catch {
                // It may have got some of them.
                try file.truncate(to: sums.bytes)
                throw error
            }
        }
        expected = max(expected, bytes)
    }

    /// Hashes and writes one piece.
    mutating func append(_ piece: some Collection<UInt8>) throws(StorageError) {
        if let failure { throw failure }
        let outcome = piece.withContiguousStorageIfAvailable { append(UnsafeRawBufferPointer($0)) }
        if case .failure(let error) = outcome ?? Array(piece).withUnsafeBytes({ append($0) }) { throw error }
    }

    func read(at offset: Int64, _ count: Int) throws(StorageError) -> [UInt8] {
        let wanted = Int(min(Int64(count), max(0, sums.bytes - offset)))
        var got = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: wanted) { buffer, filled in
            got = wanted == 0 ? 0 : uninterrupted { pread(file.descriptor, buffer.baseAddress, wanted, off_t(offset)) }
            filled = max(0, got)
        }
        guard got >= 0 else { throw .last("read", volume.spool.path) }
        return bytes
    }

    consuming func finish(on volume: Volume) throws(StorageError) -> FinishedSpool {
        if let failure { throw failure }
        try file.truncate(to: sums.bytes)
        try file.sync()
        return FinishedSpool(file: file, isSynced: true, volume: volume, stored: try sums.stored(on: volume))
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
        if sums.bytes >= expected { try requireRoom() }
    }

    /// Blocks that were not asked for before are left to take for one step more, so that however often an upload is gone
    /// on with, the reserve stays.
    private func requireRoom() throws(StorageError) {
        guard try volume.free() - Self.writeBackStep >= reserve else { throw StorageError(.full, volume.name) }
    }
}
