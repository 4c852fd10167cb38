public import Foundation
import Subprocess
import SystemPackage

/// A program of the suite, built beside the tests.
public enum Program: String, CaseIterable, Sendable {
    /// The API.
    case api = "tolva-api"
    /// The media worker.
    case mediaWorker = "tolva-media-worker"
    /// The ZIP worker.
    case zipWorker = "tolva-zip-worker"
    /// The operator's command line.
    case control = "tolvactl"

    /// Where it is.
    public var path: URL {
        URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent().appending(path: rawValue)
    }
}

/// A process a test has started. It is killed when the test lets go of it.
public final class RunningProgram: Sendable {
    /// Its process id.
    public let processID: Int32
    /// What it has written, for people who read a failure.
    public let log: URL

    private let end: Task<TerminationStatus, any Error>

    /// Starts a program with exactly these variables.
    public static func start(
        _ program: Program,
        environment: [String: String],
        log: URL
    ) async throws -> RunningProgram {
        let output = try FileDescriptor.open(
            FilePath(log.path),
            .writeOnly,
            options: [.create, .append],
            permissions: .ownerReadWrite
        )
        let (started, start) = AsyncStream.makeStream(of: Int32.self)
        let end = Task {
            defer { start.finish() }
            return try await Subprocess.run(
                .path(FilePath(program.path.path)),
                environment: .custom(environment.asVariables),
                input: .none,
                output: .fileDescriptor(output, closeAfterSpawningProcess: false),
                error: .fileDescriptor(output, closeAfterSpawningProcess: true)
            ) { execution in
                start.yield(execution.processIdentifier.value)
            }.terminationStatus
        }
        guard let processID = await started.first(where: { _ in true }) else {
            throw CommandFailure(command: program.rawValue, status: nil, message: "\(await end.result)")
        }
        return RunningProgram(processID: processID, log: log, end: end)
    }

    private init(processID: Int32, log: URL, end: Task<TerminationStatus, any Error>) {
        self.processID = processID
        self.log = log
        self.end = end
    }

    deinit { end.cancel() }

    /// Sends a signal.
    public func send(_ signal: Int32) { kill(processID, signal) }

    /// Waits for the end: the exit status, or the negated number of the signal that ended it.
    public func waitForEnd() async throws -> Int32 {
        switch try await end.value {
        case .exited(let code): code
        case .signaled(let signal): -signal
        }
    }

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

/// Runs a command to its end and gives what it wrote to standard output, a mebibyte at most.
@discardableResult
public func run(_ command: String, _ arguments: [String], environment: [String: String]? = nil) async throws -> String {
    let result = try await Subprocess.run(
        command.contains("/") ? .path(FilePath(command)) : .name(command),
        arguments: Arguments(arguments),
        environment: environment.map { .custom($0.asVariables) } ?? .inherit,
        output: .string(limit: 1 << 20),
        error: .string(limit: 1 << 16)
    )
    guard case .exited(0) = result.terminationStatus else {
        throw CommandFailure(
            command: ([command] + arguments).joined(separator: " "),
            status: nil,
            message: "\(result.terminationStatus) \(result.standardError)\n\(result.standardOutput.suffix(4000))"
        )
    }
    return result.standardOutput
}

extension [String: String] {
    /// As the kernel takes them: `NAME=value` and a NUL.
    fileprivate var asVariables: [[UInt8]] { map { Array("\($0)=\($1)\0".utf8) } }
}

/// A command that did not succeed.
public struct CommandFailure: Error, CustomStringConvertible {
    let command: String
    let status: Int32?
    let message: String

    /// What was run and what it said.
    public var description: String { "\(command) ended with \(status.map(String.init) ?? "?"): \(message)" }
}
