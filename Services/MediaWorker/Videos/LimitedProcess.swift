import Foundation
import Subprocess

/// A program that reads strangers' files, run where it can do little harm: bounded in address space, processor
/// time, file size and wall time, in a session of its own, without the worker's environment (which holds secrets).
///
/// The kernel kills it if the worker dies: Subprocess starts everything from one thread that lives as long as
/// the process, which is what `--pdeathsig` watches.
struct LimitedProcess: Sendable {
    /// How a run ended.
    enum Ending<Output: Sendable>: Sendable {
        /// It exited by itself. `errors` is the end of what it wrote to standard error.
        case exited(code: Int32, output: Output, errors: String)
        /// A signal ended it: the kernel at a limit, its own crash, or somebody.
        case signaled(Int32, errors: String)
        /// It took longer than `time`.
        case timedOut
        case cancelled
        /// It could not be started, or its output made no sense.
        case broken(String)
    }

    /// Address space, in bytes.
    let memoryBytes: Int64
    /// Largest file it may write, in bytes.
    let outputBytes: Int64
    /// Wall time.
    let time: Duration

    /// From SIGTERM to SIGKILL.
    private static let grace: Duration = .seconds(2)

    /// Runs a program found on `PATH`, without a shell; nothing is left running when this returns. When its time is
    /// over or the task is cancelled, its whole process group gets SIGTERM and after `grace` SIGKILL. `read` consumes
    /// standard output to its end and must bound what it keeps.
    func run<Output: Sendable>(
        _ tool: String,
        _ arguments: [String],
        read: @escaping @Sendable (SubprocessOutputSequence) async throws -> Output
    ) async -> Ending<Output> {
        await withTaskGroup(of: Ending<Output>.self) { group in
            group.addTask { await launch(tool, arguments, read: read) }
            group.addTask {
                do {
                    try await Task.sleep(for: time)
                    return .timedOut
                } catch {
                    return .cancelled
                }
            }
            let first = await group.next() ?? .cancelled
            group.cancelAll()
            await group.waitForAll()
            return Task.isCancelled ? .cancelled : first
        }
    }

    private func launch<Output: Sendable>(
        _ tool: String,
        _ arguments: [String],
        read: @escaping @Sendable (SubprocessOutputSequence) async throws -> Output
    ) async -> Ending<Output> {
        var options = PlatformOptions()
        options.createSession = true
        options.teardownSequence = [
            .gracefulShutDown(toProcessGroup: true, allowedDurationToNextStep: Self.grace)
        ]
        do {
            let result = try await Subprocess.run(
                .name("setpriv"),
                arguments: Arguments(limits + [tool] + arguments),
                environment: Self.environment,
                platformOptions: options,
                input: .none,
                output: .sequence,
                error: .sequence
            ) { execution in
                async let errors = Self.end(of: execution.standardError)
                let output = try await read(execution.standardOutput)
                return (output: output, errors: try await errors)
            }
            let (output, errors) = result.closureResult
            return switch result.terminationStatus {
            case .exited(let code): .exited(code: code, output: output, errors: errors)
            case .signaled(let signal): .signaled(signal, errors: errors)
            }
        } catch {
            return .broken("\(error)")
        }
    }

    private var limits: [String] {
        let cores = ProcessInfo.processInfo.activeProcessorCount
        // Wall time ends a run first; this is for one that escapes it.
        let processorSeconds = (time.components.seconds + 60) * Int64(cores)
        return [
            "--no-new-privs", "--pdeathsig", "KILL",
            "prlimit", "--as=\(memoryBytes)", "--cpu=\(processorSeconds)", "--fsize=\(outputBytes)", "--core=0",
            "nice", "-n", "10",
        ]
    }

    /// `C` keeps messages in English; two arenas keep glibc from reserving address space for each thread.
    private static let environment = Environment.custom([
        "PATH": ProcessInfo.processInfo.environment["PATH"] ?? "/usr/local/bin:/usr/bin:/bin",
        "LC_ALL": "C",
        "MALLOC_ARENA_MAX": "2",
    ])

    private static func end(of stream: SubprocessOutputSequence) async throws -> String {
        let limit = 4096
        var bytes: [UInt8] = []
        for try await buffer in stream {
            buffer.withUnsafeBytes { bytes.append(contentsOf: $0) }
            if bytes.count > limit { bytes.removeFirst(bytes.count - limit) }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
