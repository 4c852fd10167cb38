import Foundation
import Glibc
import TestSupport
import Testing

/// A disk of some megabytes with an ext4 of its own, mounted for a test. Only root may have one.
struct SmallVolume {
    static let isPossible = LoopVolume.isPossible

    let name: String
    let root: URL

    /// Mounts one, and unmounts it when the body is through.
    static func with(
        _ name: String,
        megabytes: Int,
        inodes: Int = 500,
        _ body: (SmallVolume) async throws -> Void
    ) async throws {
        let root = FileManager.default.temporaryDirectory.appending(path: "disk-\(UUID())")
        let image = root.appendingPathExtension("img")
        try FileManager.default.createDirectory(at: root, withIntermediateDirectories: true)
        defer { for path in [root, image] { try? FileManager.default.removeItem(at: path) } }
        try await run("truncate", "-s", "\(megabytes)M", image.path)
        let options = "lazy_itable_init=0,lazy_journal_init=0"
        try await run("mkfs.ext4", "-q", "-m", "0", "-N", "\(inodes)", "-E", options, "-J", "size=4", image.path)
        try await run("mount", "-o", "loop", image.path, root.path)
        let outcome: Result<Void, any Error>
        do {
            outcome = .success(try await body(SmallVolume(name: name, root: root)))
        } catch {
            outcome = .failure(error)
        }
        // Lazily: a program another test is starting may have a copy of a descriptor until it runs.
        try await run("umount", "--lazy", root.path)
        try outcome.get()
    }

    /// For `VOLUMES`.
    var setting: String { "\(name)=\(root.path)" }

    /// Bytes that can still be written.
    var free: Int {
        get throws {
            var status = statvfs()
            try #require(statvfs(root.path, &status) == 0)
            return Int(status.f_bavail * status.f_frsize)
        }
    }

    /// Takes room until so much is left.
    func fill(until left: Int) async throws {
        let taken = try free - left
        try #require(taken > 0)
        try await run("fallocate", "-l", "\(taken)", ballast.path)
    }

    /// Takes every inode there is, but so many.
    func fillInodes(leaving left: Int = 0) throws {
        let directory = root.appending(path: "ballast-of-inodes")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        var number = 0
        while FileManager.default.createFile(atPath: directory.appending(path: "\(number)").path, contents: nil) {
            number += 1
        }
        for last in max(0, number - left)..<number {
            try FileManager.default.removeItem(at: directory.appending(path: "\(last)"))
        }
    }

    /// Gives back what was taken.
    func empty() throws {
        for path in [ballast, root.appending(path: "ballast-of-inodes")] {
            try? FileManager.default.removeItem(at: path)
        }
    }

    /// Every file the suite has put on it, as paths below it.
    var files: [String] {
        let found = FileManager.default.enumerator(atPath: root.path)?.compactMap { $0 as? String } ?? []
        return found.filter { path in
            var isDirectory: ObjCBool = false
            let exists = FileManager.default.fileExists(atPath: "\(root.path)/\(path)", isDirectory: &isDirectory)
            return exists && !isDirectory.boolValue && !path.hasPrefix("ballast") && path != ".tolva-volume"
        }
    }

    private var ballast: URL { root.appending(path: "ballast") }
}
