public import Foundation
import Glibc
public import Testing

/// A file system of a test's own, in a file, mounted at a directory: for what the machine's own file system cannot do, or
/// has too much of. Only root may mount one.
public struct MountedVolume: Sendable {
    /// Whether disks can be pooled.
    public static let isPoolPossible =
        geteuid() == 0 && FileManager.default.fileExists(atPath: "/dev/fuse")
        && FileManager.default.isExecutableFile(atPath: "/usr/bin/mergerfs")
    public static let isPossible = geteuid() == 0 && FileManager.default.fileExists(atPath: "/dev/loop-control")

    /// What `VOLUMES` calls it.
    public let name: String
    public let root: URL

    /// Mounts an ext4 of some megabytes at a new directory, and unmounts it when the body is through.
    public static func withExt4<Result>(
        _ name: String,
        megabytes: Int,
        inodes: Int = 500,
        _ body: (MountedVolume) async throws -> Result
    ) async throws -> Result {
        let options = [
            "mkfs.ext4", "-q", "-m", "0", "-N", "\(inodes)", "-E", "lazy_itable_init=0,lazy_journal_init=0", "-J",
            "size=4",
        ]
        return try await with(name, bytes: megabytes << 20, make: options, body)
    }

    /// Mounts an XFS that shares blocks at a new directory, and unmounts it when the body is through.
    ///
    /// Of its size only what is written takes room; XFS wants 300 MiB at least.
    public static func withXFS<Result>(
        _ name: String,
        bytes: Int = 1 << 30,
        _ body: (MountedVolume) async throws -> Result
    ) async throws -> Result {
        try await with(name, bytes: bytes, make: ["mkfs.xfs", "-q", "-m", "reflink=1"], body)
    }

    /// Pools two directories into one volume that keeps paths on their disk: its spool is on one, all else on the other.
    public static func withPool<Result>(
        _ name: String,
        _ body: (MountedVolume) async throws -> Result
    ) async throws -> Result {
        let directory = FileManager.default.temporaryDirectory.appending(path: "pool-\(UUID())")
        let (one, other, root) = (
            directory.appending(path: "one"), directory.appending(path: "other"), directory.appending(path: "pool")
        )
        let files = FileManager.default
        let places = ["originals", "renditions", "exports"].map { other.appending(path: $0) }
        for path in [one.appending(path: "spool"), root] + places {
            try files.createDirectory(at: path, withIntermediateDirectories: true)
        }
        defer { try? files.removeItem(at: directory) }
        let options = "category.create=epmfs,minfreespace=0"
        try await run("mergerfs", "-o", options, "\(one.path):\(other.path)", root.path)
        return try await withCleanup {
            try await body(MountedVolume(name: name, root: root))
        } cleanUp: {
            try await run("umount", "--lazy", root.path)
        }
    }

    private static func with<Result>(
        _ name: String,
        bytes: Int,
        make: [String],
        _ body: (MountedVolume) async throws -> Result
    ) async throws -> Result {
        let root = FileManager.default.temporaryDirectory.appending(path: "disk-\(UUID())")
        let image = root.appendingPathExtension("img")
        try FileManager.default.createDirectory(at: root, withIntermediateDirectories: true)
        defer { for path in [root, image] { try? FileManager.default.removeItem(at: path) } }
        try await run("truncate", "-s", "\(bytes)", image.path)
        try await run(make[0], Array(make[1...]) + [image.path])
        try await run("mount", "-o", "loop", image.path, root.path)
        // Lazily: a program another test is starting may have a copy of a descriptor until it runs.
        return try await withCleanup {
            try await body(MountedVolume(name: name, root: root))
        } cleanUp: {
            try await run("umount", "--lazy", root.path)
        }
    }

    /// For `VOLUMES`.
    public var setting: String { "\(name)=\(root.path)" }

    /// Bytes that can still be written.
    public var free: Int {
        get throws {
            var status = statvfs()
            try #require(statvfs(root.path, &status) == 0)
            return Int(status.f_bavail * status.f_frsize)
        }
    }

    /// Takes room until so much is left.
    public func fill(until left: Int) async throws {
        let taken = try free - left
        try #require(taken > 0)
        try await run("fallocate", "-l", "\(taken)", ballast.path)
    }

    /// Takes every inode there is, but so many.
    public func fillInodes(leaving left: Int = 0) throws {
        try FileManager.default.createDirectory(at: inodeBallast, withIntermediateDirectories: true)
        var number = 0
        while FileManager.default.createFile(atPath: inodeBallast.appending(path: "\(number)").path, contents: nil) {
            number += 1
        }
        for last in max(0, number - left)..<number {
            try FileManager.default.removeItem(at: inodeBallast.appending(path: "\(last)"))
        }
    }

    /// Gives back what was taken.
    public func empty() throws {
        for path in [ballast, inodeBallast] where FileManager.default.fileExists(atPath: path.path) {
            try FileManager.default.removeItem(at: path)
        }
    }

    /// Every file Tolva has put on it, as paths below it.
    public var files: [String] { volumeFiles(below: root).filter { !$0.hasPrefix("ballast") } }

    private var ballast: URL { root.appending(path: "ballast") }
    private var inodeBallast: URL { root.appending(path: "ballast-of-inodes") }
}

/// Every file below a volume but its marker, sorted, as paths relative to it.
func volumeFiles(below root: URL) -> [String] {
    // Level by level: on a pool of disks, whose directories have one link each, an enumerator finds nothing below them.
    var found: [String] = []
    var directories = [""]
    while let directory = directories.popLast() {
        let names: [String]
        do {
            names = try FileManager.default.contentsOfDirectory(atPath: "\(root.path)/\(directory)")
        } catch CocoaError.fileReadNoSuchFile {
            // It went meanwhile.
            continue
        } catch {
            Issue.record(error)
            continue
        }
        for name in names {
            let path = directory.isEmpty ? name : "\(directory)/\(name)"
            var isDirectory: ObjCBool = false
            guard FileManager.default.fileExists(atPath: "\(root.path)/\(path)", isDirectory: &isDirectory) else {
                continue
            }
            if isDirectory.boolValue { directories.append(path) } else { found.append(path) }
        }
    }
    return found.filter { $0 != ".tolva-volume" }.sorted()
}

extension Trait where Self == ConditionTrait {
    /// Leaves a test out where no disks can be pooled.
    public static var poolsVolumes: Self {
        .enabled(if: MountedVolume.isPoolPossible, "pooling disks needs root, /dev/fuse and mergerfs")
    }

    /// Leaves a test out where no volume can be mounted.
    public static var mountsVolumes: Self {
        .enabled(if: MountedVolume.isPossible, "mounting a small disk needs root and /dev/loop-control")
    }
}
