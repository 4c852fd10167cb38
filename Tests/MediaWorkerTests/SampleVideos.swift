import Foundation

@testable import MediaWorker

/// What a test video is like.
struct SampleVideo {
    var size = "320x180"
    var seconds = 1.0
    var frames = 15
    var video = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"]
    var sound = true
    var options: [String] = []
    var name = "video.mp4"
}

extension MediaFixture {
    /// Makes a video of moving colours with a tone.
    func video(_ change: (inout SampleVideo) -> Void = { _ in }) async throws -> String {
        var sample = SampleVideo()
        change(&sample)
        let picture = "testsrc2=size=\(sample.size):rate=\(sample.frames):duration=\(sample.seconds)"
        var arguments = ["-v", "error", "-nostdin", "-f", "lavfi", "-i", picture]
        if sample.sound { arguments += ["-f", "lavfi", "-i", "sine=duration=\(sample.seconds)", "-c:a", "aac"] }
        arguments += sample.video + sample.options
        try await run("ffmpeg", arguments + [path(sample.name)])
        return path(sample.name)
    }

    /// A video whose tracks stay as they are in another container or with other options.
    func rewrapped(_ video: String, as name: String, _ options: String...) async throws -> String {
        try await run("ffmpeg", ["-v", "error", "-nostdin", "-i", video, "-c", "copy"] + options + [path(name)])
        return path(name)
    }

    /// What ffprobe says about a file.
    func probe(_ file: String) async throws -> VideoProbe {
        try VideoProbe(json: Array(try await run("ffprobe", VideoProbe.arguments(for: file)).utf8))
    }

    /// Command lines of running programs that mention this fixture.
    func processes() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: "/proc").compactMap { entry in
            guard Int(entry) != nil, let bytes = FileManager.default.contents(atPath: "/proc/\(entry)/cmdline") else {
                return nil
            }
            let line = String(decoding: bytes, as: UTF8.self)
            return line.contains(directory) ? line : nil
        }
    }
}

extension VideoProbe {
    var video: Stream? { streams.first { $0.codecType == "video" } }
    var audio: Stream? { streams.first { $0.codecType == "audio" } }
}

extension ProcessedMedia {
    var playable: MadeRendition { renditions[0] }
    var poster: MadeRendition { renditions[1] }
}
