public import Foundation
import Subprocess
import Synchronization
import SystemPackage
import Testing

/// A program of Tolva, built beside the tests.
public enum Program: String, CaseIterable, Sendable {
    case api = "tolva-api"
    case mediaWorker = "tolva-media-worker"
    case zipWorker = "tolva-zip-worker"
    case control = "tolvactl"

    public var path: URL {
        URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent().appending(path: rawValue)
    }
}

/// A process a test has started. It is killed when the test lets go of it.
public final class RunningProgram: Sendable {
    public let processID: Int32
    /// What it has written, for people who read a failure.
    public let log: URL
    /// Where it answers `/health`, and the API everything else: `http://127.0.0.1:8080`.
    public let base: String

    private let run: Task<Void, any Error>
    private let ending: Ending

    /// The exit status, or the negated number of the signal that ended it.
    private final class Ending: Sendable {
        let status = Mutex<Int32?>(nil)
    }

    /// Starts a program with exactly these variables, which name its ports.
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
        let ending = Ending()
        let (started, start) = AsyncStream.makeStream(of: Int32.self)
        let run = Task {
            defer { start.finish() }
            let outcome = try await Subprocess.run(
                .path(FilePath(program.path.path)),
                environment: .custom(environment.asVariables),
                input: .none,
                output: .fileDescriptor(output, closeAfterSpawningProcess: false),
                error: .fileDescriptor(output, closeAfterSpawningProcess: true)
            ) { execution in
                start.yield(execution.processIdentifier.value)
            }
            let status =
                switch outcome.terminationStatus {
                case .exited(let code): code
                case .signaled(let signal): -signal
                }
            ending.status.withLock { $0 = status }
        }
        guard let processID = await started.first(where: { _ in true }) else {
            throw CommandFailure(command: program.rawValue, status: nil, message: "\(await run.result)")
        }
        let port = environment[program == .api ? "HTTP_PORT" : "HEALTH_PORT"] ?? ""
        let base = "http://127.0.0.1:\(port)"
        return RunningProgram(processID: processID, log: log, base: base, run: run, ending: ending)
    }

    private init(processID: Int32, log: URL, base: String, run: Task<Void, any Error>, ending: Ending) {
        self.processID = processID
        self.log = log
        self.base = base
        self.run = run
        self.ending = ending
    }

    deinit { run.cancel() }

    /// Whether it has ended, however.
    public var hasEnded: Bool { ending.status.withLock { $0 != nil } }

    public func send(_ signal: Int32) { kill(processID, signal) }

    /// Waits for the end: the exit status, or the negated number of the signal that ended it.
    ///
    /// The limit is far beyond every grace period.
    public func waitForEnd(within limit: Duration = .seconds(120)) async throws -> Int32 {
        var status: Int32?
        try await eventually("\(log.lastPathComponent) ends", within: limit) {
            status = ending.status.withLock { $0 }
            return status != nil
        }
        return status ?? -1
    }

    /// Kills it, and waits until it is gone.
    public func killed() async throws {
        send(SIGKILL)
        let status = try await waitForEnd()
        guard status == -SIGKILL else {
            throw CommandFailure(command: "kill \(log.lastPathComponent)", status: status, message: "had ended before")
        }
    }

    /// Waits until it stands still: at its `FAULT_POINT` with `FAULT_SIGNAL=STOP`, or after a SIGSTOP.
    public func standsStill() async throws {
        try await eventually("\(log.lastPathComponent) stands still") {
            // The state follows the name, which may hold anything but is in parentheses.
            let words = try String(contentsOfFile: "/proc/\(processID)/stat", encoding: .utf8).split(separator: ")")
            return words.last?.split(separator: " ").first == "T"
        }
    }

    /// A client of its own port, who has not signed in.
    public var health: Client { Client(base: base) }

    /// What it has written so far.
    public var output: String {
        get throws { try String(contentsOf: log, encoding: .utf8) }
    }
}

/// What the kernel says of a process.
extension RunningProgram {
    /// Resident memory now, in bytes.
    public var memory: Int64 {
        get throws {
            let pages = try String(contentsOfFile: "/proc/\(processID)/statm", encoding: .utf8).split(separator: " ")
            return (pages.dropFirst().first.flatMap { Int64($0) } ?? 0) * Int64(sysconf(Int32(_SC_PAGESIZE)))
        }
    }

    /// Peak resident memory so far, in bytes.
    public var peakMemory: Int64 {
        get throws {
            let status = try String(contentsOf: URL(filePath: "/proc/\(processID)/status"), encoding: .utf8)
            let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
            let kilobytes = line?.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int64($0) }
            guard let kilobytes else {
                throw CommandFailure(command: "read the peak memory", status: nil, message: "\(status)")
            }
            return kilobytes * 1024
        }
    }

    /// What its descriptors are open on.
    public var descriptors: [String] {
        let directory = "/proc/\(processID)/fd"
        let names = (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
        return names.compactMap { try? FileManager.default.destinationOfSymbolicLink(atPath: "\(directory)/\($0)") }
    }

    /// Files of uploads it has open; most of them have no name.
    public var spooled: [String] { descriptors.filter { $0.contains("/spool/") } }

    /// What it has open and must give back: files, directories and pipes. Connections to the servers stay, each with an
    /// event to wake it.
    public var held: [String] {
        descriptors.filter { !$0.hasPrefix("socket:") && $0 != "anon_inode:[eventfd]" }
    }

    /// Sockets of clients that are connected to it.
    public var clients: [String] {
        let connections = connections
        let listening = Set(connections.filter(\.isListening).map(\.localPort))
        return connections.filter { !$0.isListening && listening.contains($0.localPort) }.map(\.socket)
    }

    /// Its connections, and where it listens.
    public var connections: [TCPConnection] {
        let open = Set(descriptors)
        return TCPConnection.all.filter { open.contains($0.socket) }
    }
}

/// A line of `/proc/net/tcp`.
public struct TCPConnection {
    public let localPort: Int
    public let isListening: Bool
    /// As a descriptor's link says it.
    public let socket: String

    static var all: [TCPConnection] {
        // Not in one piece: a file of the kernel gives a page at a time.
        let table = try? FileHandle(forReadingFrom: URL(filePath: "/proc/net/tcp")).readToEnd()
        return String(decoding: table ?? Data(), as: UTF8.self).split(separator: "\n").dropFirst().compactMap {
            TCPConnection($0)
        }
    }

    private init?(_ line: Substring) {
        let words = line.split(separator: " ")
        guard words.count > 9, let local = Self.port(words[1]) else { return nil }
        localPort = local
        isListening = words[3] == "0A"
        socket = "socket:[\(words[9])]"
    }

    private static func port(_ address: Substring) -> Int? {
        address.split(separator: ":").last.flatMap { Int($0, radix: 16) }
    }
}
