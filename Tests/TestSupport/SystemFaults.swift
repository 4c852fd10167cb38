import Foundation
public import Testing

/// Lets a process's system calls fail.
public enum FailingCalls {
    static let isPossible = FileManager.default.isExecutableFile(atPath: "/usr/bin/strace") && geteuid() == 0

    /// Lets the first such call of a process fail with EIO while the body runs.
    public static func with(_ call: String, of processID: Int32, _ body: () async throws -> Void) async throws {
        let log = FileManager.default.temporaryDirectory.appending(path: "trace-\(UUID())")
        defer { try? FileManager.default.removeItem(at: log) }
        let command =
            "strace -f -p \(processID) -e trace=\(call) -e inject=\(call):error=EIO:when=1 -o /dev/null"
            + " 2>'\(log.path)' & echo $!"
        let tracer = try await run("sh", "-c", "(\(command)) 9>&-").trimmingCharacters(in: .whitespacesAndNewlines)
        try await eventually("strace attaches", within: .seconds(10)) {
            (try? String(contentsOf: log, encoding: .utf8))?.contains("attached") == true
        }
        try await withCleanup(body) {
            try await run("kill", "-INT", tracer)
            try await eventually("strace ends", within: .seconds(10)) {
                !FileManager.default.fileExists(atPath: "/proc/\(tracer)")
            }
        }
    }
}

/// Lets a program's clock be wrong.
public enum WrongClock {
    private static let library = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"

    static let isPossible = FileManager.default.fileExists(atPath: library)

    /// The variables of a program whose clock is off by that much, e.g. `+1h`.
    public static func environment(_ offset: String) -> [String: String] {
        ["LD_PRELOAD": library, "FAKETIME": offset, "FAKETIME_DONT_FAKE_MONOTONIC": "1"]
    }
}

extension Trait where Self == ConditionTrait {
    /// Leaves a test out where no process may be traced.
    public static var failsCalls: Self {
        .enabled(if: FailingCalls.isPossible, "letting system calls fail needs root and strace")
    }

    /// Leaves a test out where no program can be told a wrong time.
    public static var setsClocks: Self { .enabled(if: WrongClock.isPossible, "libfaketime is not installed") }
}
