import Blocking
import Glibc

/// A file that a program writes as it likes, without a name until it is placed: dropped before that, it is gone.
public final class DraftFile: Sendable {
    /// The volume it lies on, and will stay on.
    public let volume: Volume

    private let file: TemporaryFile
    private let threads: BlockingThreads

    init(on volume: Volume, threads: BlockingThreads) throws(StorageError) {
        file = try TemporaryFile(in: volume.spool, unnamed: volume.hasUnnamedFiles)
        self.volume = volume
        self.threads = threads
    }

    /// Open for reading and writing for as long as this value lives.
    public var descriptor: Int32 { file.descriptor }

    /// Gives the space back where that may take its time. Dropping the value does the same on whatever thread that is.
    public func discard() async {
        await threads.run { _ = ftruncate(self.file.descriptor, 0) }
    }

    /// Puts everything that was written on stable storage. Never retried.
    func sync() async throws(StorageError) {
        try await threads.run { () throws(StorageError) in
            guard fdatasync(self.file.descriptor) == 0 else { throw .last("fdatasync", self.volume.spool.path) }
        }
    }

    func link(as name: String, in directory: Directory) throws(StorageError) -> Bool {
        try file.link(as: name, in: directory)
    }
}
