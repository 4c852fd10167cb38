public import Foundation

/// A file system of a test's own, in a file: for what the machine's own file system cannot do, or has too much of.
public enum LoopVolume {
    /// Whether this process may mount one.
    public static let isPossible = geteuid() == 0 && FileManager.default.fileExists(atPath: "/dev/loop-control")

    /// Mounts a new XFS at a directory and unmounts it when the body is through.
    ///
    /// - Parameters:
    ///   - directory: Exists and is empty.
    ///   - bytes: Its size, of which only what is written takes room; XFS wants 300 MiB at least.
    ///   - body: Works on it, and has let go of every file on it when it returns.
    /// - Throws: What `body` throws; `CommandFailure` if it cannot be mounted.
    public static func withXFS(
        at directory: URL,
        bytes: UInt64 = 1 << 30,
        _ body: () async throws -> Void
    ) async throws {
        let image = FileManager.default.temporaryDirectory.appending(path: "volume-\(UUID()).img")
        defer { try? FileManager.default.removeItem(at: image) }
        try await run("truncate", "-s", "\(bytes)", image.path)
        try await run("mkfs.xfs", "-q", "-m", "reflink=1", image.path)
        try await run("mount", "-o", "loop", image.path, directory.path)
        let outcome: Result<Void, any Error>
        do {
            outcome = .success(try await body())
        } catch {
            outcome = .failure(error)
        }
        try await run("umount", directory.path)
        try outcome.get()
    }
}
