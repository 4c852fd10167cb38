public import Foundation
import Synchronization

/// A program of the suite, built beside the tests.
public enum Program: String, CaseIterable, Sendable {
    /// The API.
    case api = "tolva-api"
    /// The media worker.
    case mediaWorker = "tolva-media-worker"
    /// The operator's command line.
    case control = "tolvactl"

    var path: URL {
        URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent().appending(path: rawValue)
    }
}

/// A process a test has started. It is killed when the test lets go of it.
public final class RunningProgram: Sendable {
    /// Its process id.
    public let processID: Int32
    /// What it has written, for people who read a failure.
    public let log: URL

    private let process: Mutex<Process>
    private let ended: AsyncStream<Int32>

    /// Starts a program with exactly these variables.
    public init(_ program: Program, environment: [String: String], log: URL) throws {
        let process = Process()
        process.executableURL = program.path
        process.environment = environment
        try Data().write(to: log)
        let output = try FileHandle(forWritingTo: log)
        process.standardOutput = output
        process.standardError = output
        process.standardInput = FileHandle.nullDevice
        let (ended, end) = AsyncStream.makeStream(of: Int32.self)
        process.terminationHandler = { process in
            end.yield(process.terminationReason == .exit ? process.terminationStatus : -process.terminationStatus)
            end.finish()
        }
        try process.run()
        processID = process.processIdentifier
        self.log = log
        self.process = Mutex(process)
        self.ended = ended
    }

    deinit { if process.withLock({ $0.isRunning }) { kill(processID, SIGKILL) } }

    /// Sends a signal.
    public func send(_ signal: Int32) { kill(processID, signal) }

    /// Waits for the end: the exit status, or the negated number of the signal that ended it.
    public func waitForEnd() async -> Int32? { await ended.first { _ in true } }

    /// Peak resident memory so far, in bytes.
    public var peakMemory: Int64 {
        get throws {
            let status = try String(contentsOf: URL(filePath: "/proc/\(processID)/status"), encoding: .utf8)
            let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
            let kilobytes = line?.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int64($0) }
            return (kilobytes ?? 0) * 1024
        }
    }
}

/// Runs a command to its end and gives what it wrote to standard output.
///
/// - Throws: `CommandFailure` with what it wrote to standard error, if it exits with anything but 0.
@discardableResult
public func run(_ command: String, _ arguments: String..., environment: [String: String]? = nil) async throws -> String
{
    try await run(command, arguments, environment: environment)
}

/// Runs a command to its end and gives what it wrote to standard output.
@discardableResult
public func run(_ command: String, _ arguments: [String], environment: [String: String]? = nil) async throws -> String {
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = [command] + arguments
    if let environment { process.environment = environment }
    let output = Pipe()
    let errors = FileManager.default.temporaryDirectory.appending(path: "errors-\(UUID())")
    try Data().write(to: errors)
    defer { try? FileManager.default.removeItem(at: errors) }
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = output
    process.standardError = try FileHandle(forWritingTo: errors)
    let (ended, end) = AsyncStream.makeStream(of: Int32.self)
    process.terminationHandler = { process in
        end.yield(process.terminationStatus)
        end.finish()
    }
    try process.run()
    let reader = output.fileHandleForReading
    let text = try await Task.detached { try reader.readToEnd() ?? Data() }.value
    let status = await ended.first { _ in true }
    guard status == 0 else {
        let message = try String(contentsOf: errors, encoding: .utf8)
        throw CommandFailure(command: ([command] + arguments).joined(separator: " "), status: status, message: message)
    }
    return String(decoding: text, as: UTF8.self)
}

/// A command that did not succeed.
public struct CommandFailure: Error, CustomStringConvertible {
    let command: String
    let status: Int32?
    let message: String

    /// What was run and what it said.
    public var description: String { "\(command) ended with \(status.map(String.init) ?? "?"): \(message)" }
}
