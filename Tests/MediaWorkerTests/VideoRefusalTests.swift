import Foundation
import Testing

@testable import MediaWorker

@Suite("Films that are refused or stopped")
struct VideoRefusalTests {
    private func refusal(
        of source: String,
        in shop: Workshop,
        _ change: (inout MediaSettings) -> Void = { $0.videoHeight = 120 }
    ) async throws -> MediaFailure {
        var settings = MediaSettings()
        change(&settings)
        let processor = VideoProcessor(settings: settings, logger: .silent)
        return try await failure { () async throws(MediaFailure) in
            try await processor.process(source: source, workspace: shop.work) { _ in }
        }
    }

    @Test("A file with sound only is refused, even with a cover picture")
    func soundOnly() async throws {
        try await Workshop.with { shop in
            try await shop.run("ffmpeg", "-v", "error", "-f", "lavfi", "-i", "sine=duration=1", shop.path("sound.mp4"))
            let sound = try await refusal(of: shop.path("sound.mp4"), in: shop)
            #expect(sound == .noPicture)
            try await shop.run(
                "ffmpeg",
                ["-v", "error", "-i", shop.path("sound.mp4"), "-i", try await shop.photo(), "-map", "0", "-map", "1"]
                    + ["-c", "copy", "-disposition:v:0", "attached_pic", shop.path("cover.mp4")]
            )
            let covered = try await refusal(of: shop.path("cover.mp4"), in: shop)
            #expect(covered == .noPicture)
        }
    }

    @Test("A film that ends early is refused, encoded or copied", arguments: [120, 720])
    func truncated(height: Int) async throws {
        try await Workshop.with { shop in
            let film = try await shop.film {
                $0.seconds = 4
                $0.options = ["-movflags", "+faststart"]
            }
            let cut = try shop.cut(film, to: 0.7)
            let refusal = try await refusal(of: cut, in: shop) { $0.videoHeight = height }
            #expect(refusal.isPermanent)
            #expect([MediaFailure.unreadableFilm, .incompleteFilm].contains(refusal))
        }
    }

    @Test("A film whose index is missing is refused")
    func noIndex() async throws {
        try await Workshop.with { shop in
            let refusal = try await refusal(of: try shop.cut(try await shop.film(), to: 0.7), in: shop)
            #expect(refusal == .unreadableFilm)
        }
    }

    @Test("A playlist named .mp4 does not make ffmpeg open another local file", arguments: ["hls", "concat"])
    func playlist(_ kind: String) async throws {
        try await Workshop.with { shop in
            let film = try await shop.film { $0.name = "other.ts" }
            let hls = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n\(film)\n#EXT-X-ENDLIST\n"
            let text = kind == "hls" ? hls : "ffconcat version 1.0\nfile '\(film)'\n"
            let list = try shop.write(Data(text.utf8), "list.mp4")
            let refusal = try await refusal(of: list, in: shop)
            #expect(refusal == .unreadableFilm)
        }
    }

    @Test("What is no film is refused whatever its name says", arguments: ["", "<html></html>", "%PDF-1.7\n"])
    func noFilm(_ text: String) async throws {
        try await Workshop.with { shop in
            let refusal = try await refusal(of: try shop.write(Data(text.utf8), "film.mp4"), in: shop)
            #expect(refusal == .unreadableFilm)
            #expect(!refusal.reason.contains("/"))
        }
    }

    @Test("A film past the limits of length and size is refused by its header")
    func limits() async throws {
        try await Workshop.with { shop in
            let film = try await shop.film()
            let long = try await refusal(of: film, in: shop) { $0.maximumVideoDuration = .milliseconds(500) }
            #expect(long.code == "video_too_long")
            let large = try await refusal(of: film, in: shop) { $0.maximumVideoPixels = 1000 }
            #expect(large == .tooManyVideoPixels)
        }
    }

    @Test("A missing original is the machine's fault: another attempt may succeed")
    func missing() async throws {
        try await Workshop.with { shop in
            let refusal = try await refusal(of: shop.path("nothing.mp4"), in: shop)
            #expect(refusal == .sourceUnavailable)
        }
    }

    @Test("A film that needs more memory, disk or time than it may have fails for good, saying so")
    func demanding() async throws {
        try await Workshop.with { shop in
            let film = try await shop.film { $0.seconds = 3 }
            let disk = try await refusal(of: film, in: shop) {
                $0.videoHeight = 120
                $0.videoOutputBytes = 8192
            }
            #expect(disk == .demandingFilm)
            // The encoder meets this limit with its frames. It names no lower one that keeps its threads from starting.
            let large = try await shop.film {
                $0.name = "large.mp4"
                $0.size = "1920x1080"
                $0.seconds = 2
                $0.frames = 30
            }
            let memory = try await refusal(of: large, in: shop) {
                $0.videoHeight = 1078
                $0.videoPreset = .slow
                $0.videoMemoryBytes = 640 << 20
            }
            #expect(memory == .demandingFilm)
            let time = try await refusal(of: film, in: shop) {
                $0.videoHeight = 120
                $0.videoTimeout = .milliseconds(20)
            }
            #expect(time == .overdueFilm)
            #expect(time.isPermanent)
        }
    }

    @Test("A cancelled film is given back within seconds and leaves no process behind")
    func cancelled() async throws {
        try await Workshop.with { shop in
            let film = try await shop.film {
                $0.size = "640x360"
                $0.seconds = 30
                $0.frames = 30
            }
            var settings = MediaSettings()
            settings.videoPreset = .slow
            settings.videoHeight = 358
            let processor = VideoProcessor(settings: settings, logger: .silent)
            let (started, starting) = AsyncStream<Void>.makeStream()
            let task = Task {
                try await failure { () async throws(MediaFailure) in
                    try await processor.process(source: film, workspace: shop.work) { _ in starting.yield() }
                }
            }
            for await _ in started { break }
            #expect(try !shop.processes().isEmpty)
            let clock = ContinuousClock()
            let cancelled = clock.now
            task.cancel()
            #expect(try await task.value == .stopped)
            #expect(clock.now - cancelled < .seconds(4))
            #expect(try shop.processes().isEmpty)
        }
    }
}
