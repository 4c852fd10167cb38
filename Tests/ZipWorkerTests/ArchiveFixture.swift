import Blocking
import Foundation
import Models
import Storage
import Subprocess
import Testing

@testable import ZipWorker

/// A directory that is gone after the test, and archives made in it.
struct ArchiveFixture: Sendable {
    let directory: String

    /// Makes the directory, calls `body`, removes it.
    static func with(_ body: (ArchiveFixture) async throws -> Void) async throws {
        let directory = FileManager.default.temporaryDirectory.path + "/tolva-archive-\(UUID())"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: false)
        do {
            try await body(ArchiveFixture(directory: directory))
        } catch {
            try FileManager.default.removeItem(atPath: directory)
            throw error
        }
        try FileManager.default.removeItem(atPath: directory)
    }

    func path(_ name: String) -> String { "\(directory)/\(name)" }

    /// A file with a row that tells the truth, unless the test says otherwise.
    func file(
        _ name: String,
        _ bytes: [UInt8],
        modified: Date = .someDay,
        claims claimed: [UInt8]? = nil,
        mayDeflate: Bool = false
    ) throws -> ArchiveFile {
        let path = path("source-\(UUID())")
        try Data(bytes).write(to: URL(filePath: path))
        let claimed = claimed ?? bytes
        return ArchiveFile(
            name: name,
            modified: modified,
            path: path,
            bytes: Int64(claimed.count),
            crc32: claimed.crc32,
            sha256: claimed.sha256,
            mayDeflate: mayDeflate
        )
    }

    /// Writes a whole archive and says where it is and how large.
    func archive<Value>(
        _ name: String = "archive.zip",
        settings: ArchiveSettings = ArchiveSettings(),
        _ body: (inout ArchiveWriter) async throws -> Value
    ) async throws -> (archive: ReadArchive, value: Value) {
        let path = path(name)
        let descriptor = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        try #require(descriptor >= 0)
        defer { close(descriptor) }
        let threads = BlockingThreads(name: "archive", count: settings.copyThreads)
        var writer = ArchiveWriter(output: descriptor, settings: settings, threads: threads)
        let value = try await body(&writer)
        let bytes = try await writer.finish()
        let archive = try ReadArchive(path)
        #expect(bytes == archive.bytes)
        return (archive, value)
    }

    /// Runs a program; it must succeed.
    @discardableResult
    func run(_ program: String, _ arguments: String...) async throws -> String {
        try await run(program, arguments)
    }

    @discardableResult
    func run(_ program: String, _ arguments: [String]) async throws -> String {
        let result = try await Subprocess.run(
            .name(program),
            arguments: Arguments(arguments),
            // Without a locale for UTF-8 bsdtar cannot write such names.
            environment: .inherit.updating(["LC_ALL": "C.UTF-8", "TZ": "UTC"]),
            input: .none,
            output: .string(limit: 1 << 22),
            error: .string(limit: 1 << 20)
        )
        try #require(result.terminationStatus.isSuccess, "\(program): \(result.standardOutput) \(result.standardError)")
        return result.standardOutput
    }

    /// Lets four independent programs read every byte of an archive.
    func check(_ archive: ReadArchive) async throws {
        try await run("unzip", "-tqq", archive.path)
        try await run("7z", "t", archive.path)
        try await run("bsdtar", "-tf", archive.path)
        let test = "import sys, zipfile; sys.exit(zipfile.ZipFile(sys.argv[1]).testzip())"
        try await run("python3", "-c", test, archive.path)
    }
}

extension Date {
    /// An even second, as DOS times hold it.
    static let someDay = Date(timeIntervalSince1970: 1_764_000_000)
}

extension [UInt8] {
    /// Bytes that do not deflate, always the same for a seed.
    static func noise(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
        var state = seed
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count + 8)
        while bytes.count < count {
            state &+= 0x9E37_79B9_7F4A_7C15
            var word = (state ^ (state >> 30)) &* 0xBF58_476D_1CE4_E5B9
            word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
            Swift.withUnsafeBytes(of: word ^ (word >> 31)) { bytes.append(contentsOf: $0) }
        }
        return Array(bytes.prefix(count))
    }

    /// Lines that deflate well.
    static func text(_ count: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        var line = 0
        while bytes.count < count {
            line += 1
            bytes += Array("line \(line): the torque of the third bolt is \(line * 7919 % 1000) Nm\n".utf8)
        }
        return Array(bytes.prefix(count))
    }

    private var sums: RunningSums {
        var sums = RunningSums()
        withUnsafeBytes { sums.update($0) }
        return sums
    }

    var crc32: UInt32 { sums.crc32 }
    var sha256: SHA256Digest? { sums.digest }
}
