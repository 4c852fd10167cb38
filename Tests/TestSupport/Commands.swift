public import Foundation
import Subprocess
import SystemPackage

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
    var asVariables: [[UInt8]] { map { Array("\($0)=\($1)\0".utf8) } }
}

/// A command that did not succeed.
public struct CommandFailure: Error, CustomStringConvertible {
    let command: String
    let status: Int32?
    let message: String

    /// What was run and what it said.
    public var description: String { "\(command) ended with \(status.map(String.init) ?? "?"): \(message)" }
}

/// The working copy the tests were built from.
public enum Checkout {
    public static let root = URL(filePath: #filePath).appending(path: "../../..").standardized
}

/// The SHA-256 of a file, as the system's own program computes it: 64 lower-case digits.
public func sha256(of file: URL) async throws -> String {
    // A name that has to be escaped puts a backslash before the digits.
    String(try await run("sha256sum", file.path).prefix { $0 != " " }.suffix(64))
}
