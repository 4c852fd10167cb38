import Foundation

@testable import MediaWorker

/// What a test film is like.
struct FilmRecipe {
    var size = "320x180"
    var seconds = 1.0
    var frames = 15
    var video = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"]
    var sound = true
    var options: [String] = []
    var name = "film.mp4"
}

extension Workshop {
    /// Makes a film of moving colours with a tone.
    func film(_ change: (inout FilmRecipe) -> Void = { _ in }) async throws -> String {
        var recipe = FilmRecipe()
        change(&recipe)
        let picture = "testsrc2=size=\(recipe.size):rate=\(recipe.frames):duration=\(recipe.seconds)"
        var arguments = ["-v", "error", "-nostdin", "-f", "lavfi", "-i", picture]
        if recipe.sound { arguments += ["-f", "lavfi", "-i", "sine=duration=\(recipe.seconds)", "-c:a", "aac"] }
        arguments += recipe.video + recipe.options
        try await run("ffmpeg", arguments + [path(recipe.name)])
        return path(recipe.name)
    }

    /// A film whose tracks stay as they are in another container or with other options.
    func rewrapped(_ film: String, as name: String, _ options: String...) async throws -> String {
        try await run("ffmpeg", ["-v", "error", "-nostdin", "-i", film, "-c", "copy"] + options + [path(name)])
        return path(name)
    }

    /// What ffprobe says about a file.
    func probe(_ file: String) async throws -> FilmProbe {
        try FilmProbe(json: Array(try await run("ffprobe", FilmProbe.arguments(for: file)).utf8))
    }

    /// Command lines of running programs that mention this workshop.
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

extension FilmProbe {
    var video: Stream? { streams.first { $0.codecType == "video" } }
    var audio: Stream? { streams.first { $0.codecType == "audio" } }
}

extension VideoProcessor.Output {
    var size: String { "\(width)x\(height)" }
    var movie: MadeRendition { renditions[0] }
    var poster: MadeRendition { renditions[1] }
}

extension MadeRendition {
    var size: String { "\(width)x\(height)" }
}
