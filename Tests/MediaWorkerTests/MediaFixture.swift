import Foundation
import Logging
import Subprocess
import Testing

@testable import MediaWorker

/// A directory that is gone after the test, with the tools that make its inputs.
struct MediaFixture: Sendable {
    let directory: String

    /// For every test that needs no settings of its own: its decoders are started once.
    static let processor = ImageProcessor(settings: MediaSettings(), logger: .silent)

    /// Makes the directory, calls `body`, removes it.
    static func with(_ body: (MediaFixture) async throws -> Void) async throws {
        let directory = FileManager.default.temporaryDirectory.appending(path: "tolva-media-\(UUID())")
        try FileManager.default.createDirectory(
            at: directory.appending(path: "work"),
            withIntermediateDirectories: true
        )
        let fixture = MediaFixture(directory: directory.path)
        do {
            try await body(fixture)
        } catch {
            try FileManager.default.removeItem(at: directory)
            throw error
        }
        try FileManager.default.removeItem(at: directory)
    }

    /// Where the processors write.
    var work: String { "\(directory)/work" }

    func path(_ name: String) -> String { "\(directory)/\(name)" }

    func write(_ bytes: Data, _ name: String) throws -> String {
        try bytes.write(to: URL(filePath: path(name)))
        return path(name)
    }

    func read(_ path: String) throws -> Data {
        try Data(contentsOf: URL(filePath: path))
    }

    /// Keeps only the first part of a file.
    func cut(_ path: String, to fraction: Double) throws -> String {
        let whole = try read(path)
        let name = URL(filePath: path).lastPathComponent
        return try write(whole.prefix(Int(Double(whole.count) * fraction)), "cut-\(name)")
    }

    /// Runs a tool; it must succeed.
    @discardableResult
    func run(_ tool: String, _ arguments: String...) async throws -> String {
        try await run(tool, arguments)
    }

    @discardableResult
    func run(_ tool: String, _ arguments: [String]) async throws -> String {
        let result = try await Subprocess.run(
            .name(tool),
            arguments: Arguments(arguments),
            input: .none,
            output: .string(limit: 1 << 20),
            error: .string(limit: 1 << 20)
        )
        try #require(result.terminationStatus.isSuccess, "\(tool): \(result.standardError)")
        return result.standardOutput
    }

    /// True if a tool is installed.
    static func has(_ tool: String) -> Bool {
        let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
        return path.split(separator: ":").contains { FileManager.default.isExecutableFile(atPath: "\($0)/\(tool)") }
    }
}

extension Logger {
    /// Says nothing.
    static let silent = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
}

/// The failure a body ends with; a test issue if it ends well.
func failure<Result>(of body: () async throws(MediaFailure) -> Result) async throws -> MediaFailure {
    do {
        _ = try await body()
    } catch {
        return error
    }
    return try #require(nil as MediaFailure?, "it succeeded")
}
