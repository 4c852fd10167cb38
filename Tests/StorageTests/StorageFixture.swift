import Foundation
import Glibc
import Logging
import Models
import Testing

@testable import Storage

/// One volume in a directory that goes when the test ends.
struct StorageFixture: Sendable {
    let storage: LocalStorage
    let root: String

    var volume: Volume { storage.volumes[0] }

    static func with(
        unnamed: Bool? = nil,
        reserve: Int64 = 0,
        _ body: (StorageFixture) async throws -> Void
    ) async throws {
        try await withDirectory { root in
            let location = StorageSettings.Location(name: "main", path: root)
            let settings = StorageSettings(volumes: [location], reserve: reserve, threads: 2)
            let volume = try Volume(location, hasUnnamedFiles: unnamed)
            try await body(StorageFixture(storage: LocalStorage(volumes: [volume], settings: settings), root: root))
        }
    }

    static func withDirectory(_ body: (String) async throws -> Void) async throws {
        let root = FileManager.default.temporaryDirectory.path + "/tolva-storage-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: false)
        let outcome: Result<Void, any Error>
        do {
            outcome = .success(try await body(root))
        } catch {
            outcome = .failure(error)
        }
        try FileManager.default.removeItem(atPath: root)
        try outcome.get()
    }

    func finished(_ bytes: [UInt8]) async throws -> FinishedFile {
        let file = try await storage.makeUpload(expecting: Int64(bytes.count))
        try await file.append(bytes)
        return try await file.finish()
    }

    func write(_ text: String, to path: String) throws {
        try Data(text.utf8).write(to: URL(filePath: path))
    }

    func read(_ path: String) throws -> [UInt8] {
        [UInt8](try Data(contentsOf: URL(filePath: path)))
    }

    /// Everything below the root that is no directory, as paths below it.
    func files() throws -> [String] {
        try FileManager.default.subpathsOfDirectory(atPath: root).filter { path in
            var status = stat()
            return lstat("\(root)/\(path)", &status) == 0 && status.st_mode & Glibc.S_IFMT != Glibc.S_IFDIR
        }.sorted()
    }

    /// Bytes that a file below the root has blocks for.
    func taken(by path: String) throws -> Int64 {
        var status = stat()
        try #require(stat("\(root)/\(path)", &status) == 0)
        return Int64(status.st_blocks) * 512
    }

    /// How many of this process's descriptors are open files below the root, named or not.
    func openFiles() throws -> Int {
        try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count { name in
            var target = [UInt8](repeating: 0, count: 4096)
            let length = readlink("/proc/self/fd/\(name)", &target, target.count)
            guard length > 0 else { return false }
            let path = String(decoding: target.prefix(length), as: UTF8.self)
            return path.hasPrefix("\(root)/spool/") && path != "\(root)/spool"
        }
    }
}

/// A disk of a few megabytes, in memory. Only root may mount one.
enum SmallDisk {
    static let isPossible: Bool = {
        let root = "/tmp/tolva-disk-\(UUID().uuidString)"
        guard geteuid() == 0, mkdir(root, 0o700) == 0 else { return false }
        defer { rmdir(root) }
        return mount("none", root, "tmpfs", 0, "size=64k") == 0 && umount(root) == 0
    }()

    /// Waits until that many bytes are free again. A descriptor that was closed here may live a moment longer in a
    /// program that another test is starting: between its fork and its exec it holds a copy of each.
    static func wait(for bytes: Int64, on volume: Volume) async throws {
        let end = ContinuousClock.now + .seconds(30)
        while true {
            let free = try volume.free()
            if free == bytes { return }
            try #require(ContinuousClock.now < end, "\(free) bytes are free, not \(bytes)")
            try await Task.sleep(for: .milliseconds(5))
        }
    }

    static func with(_ options: String, _ body: (String) async throws -> Void) async throws {
        try await StorageFixture.withDirectory { root in
            try #require(mount("none", root, "tmpfs", 0, options) == 0)
            let outcome: Result<Void, any Error>
            do {
                outcome = .success(try await body(root))
            } catch {
                outcome = .failure(error)
            }
            // Lazily (MNT_DETACH, which is imported as one type or another): a thread may still be closing a file.
            #expect(umount2(root, 2) == 0)
            try outcome.get()
        }
    }
}

extension UploadFile {
    func append(_ bytes: some Collection<UInt8> & Sendable) async throws(StorageError) {
        try await append(pieces: [bytes])
    }
}

extension LocalStorage {
    func place(_ file: FinishedFile, of company: CompanyID) async throws -> StoredFile {
        try #require(try await place([.written(file)], of: company).first)
    }
}

/// The kind of the storage error that is thrown; nil if none is.
func kind(_ body: () async throws -> Void) async -> StorageError.Kind? {
    do {
        try await body()
        return nil
    } catch {
        return (error as? StorageError)?.kind
    }
}

extension [UInt8] {
    /// Bytes without a pattern, the same in every run.
    static func noise(_ count: Int) -> [UInt8] {
        var state: UInt64 = 1
        let words = (0...count / 8).map { _ in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return state
        }
        return words.withUnsafeBytes { Array($0.prefix(count)) }
    }
}
