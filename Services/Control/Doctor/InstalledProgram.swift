import Subprocess

/// A program that may be installed on this machine.
struct InstalledProgram: Sendable {
    private let name: String

    init(_ name: String) {
        self.name = name
    }

    /// What it prints; nil if it cannot be started, ends with an error, or takes ten seconds.
    func output(of arguments: String...) async -> String? {
        guard let (status, output) = await run(arguments), status == 0 else { return nil }
        return output
    }

    /// The status it ends with, and what it prints; nil if it cannot be started, is killed, or takes ten seconds.
    func run(_ arguments: [String]) async -> (status: Int, output: String)? {
        await withTaskGroup(of: (status: Int, output: String)?.self) { group in
            group.addTask {
                let run = try? await Subprocess.run(
                    .name(name),
                    arguments: Arguments(arguments),
                    output: .string(limit: 1 << 20)
                )
                guard let run, case .exited(let status) = run.terminationStatus else { return nil }
                return (Int(status), run.standardOutput)
            }
            group.addTask {
                // Cancelled when the program has ended.
                try? await Task.sleep(for: .seconds(10))
                return nil
            }
            let first = await group.next() ?? nil
            group.cancelAll()
            return first
        }
    }
}
