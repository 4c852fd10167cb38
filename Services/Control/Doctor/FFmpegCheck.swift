/// ffmpeg and ffprobe, with the encoders videos need. Only the machine of the media worker has to have them.
struct FFmpegCheck: Sendable {
    static let encoders = ["libx264", "aac"]

    func findings() async -> [Finding] {
        await [ffmpeg(), ffprobe()]
    }

    private func ffmpeg() async -> Finding {
        guard let list = await InstalledProgram("ffmpeg").output(of: "-hide_banner", "-encoders") else {
            return missing("ffmpeg")
        }
        let known = Set(list.split(separator: "\n").compactMap { $0.split(separator: " ").dropFirst().first })
        let lacking = Self.encoders.filter { !known.contains(Substring($0)) }
        guard lacking.isEmpty else {
            let action = "Install a build of ffmpeg that has it; Debian's package has."
            return .fail("ffmpeg", "has no \(lacking.joined(separator: " and no "))", action: action)
        }
        return .ok("ffmpeg", "has \(Self.encoders.joined(separator: " and "))")
    }

    private func ffprobe() async -> Finding {
        guard let text = await InstalledProgram("ffprobe").output(of: "-version"),
            let line = text.split(separator: "\n").first
        else {
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
}
