import Subprocess

/// A program that may be installed on this machine.
struct InstalledProgram: Sendable {
    private let name: String

    init(_ name: String) {
        self.name = name
    }

    /// What it prints; nil if it cannot be started, ends with an error, or takes ten seconds.
    func output(of arguments: String...) async -> String? {
        await withTaskGroup(of: String?.self) { group in
            group.addTask {
                let run = try? await Subprocess.run(
                    .name(name),
                    arguments: Arguments(arguments),
                    output: .string(limit: 1 << 20)
                )
                guard let run, run.terminationStatus.isSuccess else { return nil }
                return run.standardOutput
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
