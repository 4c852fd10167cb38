import Subprocess

/// ffmpeg and ffprobe, with the encoders videos need. Only the machine of the media worker has to have them.
struct FFmpegCheck: Sendable {
    static let encoders = ["libx264", "aac"]

    func findings() async -> [Finding] {
        await [ffmpeg(), ffprobe()]
    }

    private func ffmpeg() async -> Finding {
        guard let list = await output(of: "ffmpeg", "-hide_banner", "-encoders") else { return missing("ffmpeg") }
        let known = Set(list.split(separator: "\n").compactMap { $0.split(separator: " ").dropFirst().first })
        let lacking = Self.encoders.filter { !known.contains(Substring($0)) }
        guard lacking.isEmpty else {
            let action = "Install a build of ffmpeg that has it; Debian's package has."
            return .fail("ffmpeg", "has no \(lacking.joined(separator: " and no "))", action: action)
        }
        return .ok("ffmpeg", "has \(Self.encoders.joined(separator: " and "))")
    }

    private func ffprobe() async -> Finding {
        guard let text = await output(of: "ffprobe", "-version"), let line = text.split(separator: "\n").first else {
            return missing("ffprobe")
        }
        return .ok("ffprobe", line.split(separator: " ").prefix(3).joined(separator: " "))
    }

    private func missing(_ program: String) -> Finding {
        .warn(
            program,
            "does not run here",
            action: "Where the media worker runs it is needed: apt-get install ffmpeg"
        )
    }

    /// What a program prints; nil if it cannot be started, ends with an error, or takes ten seconds.
    private func output(of program: String, _ arguments: String...) async -> String? {
        await withTaskGroup(of: String?.self) { group in
            group.addTask {
                let run = try? await Subprocess.run(
                    .name(program),
                    arguments: Arguments(arguments),
                    output: .string(limit: 1 << 20)
                )
                guard let run, run.terminationStatus.isSuccess else { return nil }
                return run.standardOutput
            }
            group.addTask {
                try? await Task.sleep(for: .seconds(10))
                return nil
            }
            let first = await group.next() ?? nil
            group.cancelAll()
            return first
        }
    }
}
