import Foundation
import Testing

@testable import MediaWorker

@Suite("Videos that are refused or stopped")
struct VideoRefusalTests {
    private func refusal(
        of source: String,
        in fixture: MediaFixture,
        _ change: (inout MediaSettings) -> Void = { $0.videoHeight = 120 }
    ) async throws -> MediaFailure {
        var settings = MediaSettings()
        change(&settings)
        let processor = VideoProcessor(settings: settings, logger: .silent)
        return try await failure { () async throws(MediaFailure) in
            try await processor.process(source: source, workspace: fixture.work) { _ in }
        }
    }

    @Test("A file with sound only is refused, even with a cover picture")
    func soundOnly() async throws {
        try await MediaFixture.with { fixture in
            let tone = ["-v", "error", "-f", "lavfi", "-i", "sine=duration=1", fixture.path("sound.mp4")]
            try await fixture.run("ffmpeg", tone)
            let sound = try await refusal(of: fixture.path("sound.mp4"), in: fixture)
            #expect(sound == .noVideoStream)
            let inputs = ["-v", "error", "-i", fixture.path("sound.mp4"), "-i", try await fixture.photo()]
            let cover = ["-map", "0", "-map", "1", "-c", "copy", "-disposition:v:0", "attached_pic"]
            try await fixture.run("ffmpeg", inputs + cover + [fixture.path("cover.mp4")])
            let covered = try await refusal(of: fixture.path("cover.mp4"), in: fixture)
            #expect(covered == .noVideoStream)
        }
    }

    @Test("A video that ends early is refused, encoded or copied", arguments: [120, 720])
    func truncated(height: Int) async throws {
        try await MediaFixture.with { fixture in
            let video = try await fixture.video {
                $0.seconds = 4
                $0.options = ["-movflags", "+faststart"]
            }
            let cut = try fixture.cut(video, to: 0.7)
            let refusal = try await refusal(of: cut, in: fixture) { $0.videoHeight = height }
            #expect(refusal.isPermanent)
            #expect([MediaFailure.unreadableVideo, .incompleteVideo].contains(refusal))
        }
    }

    @Test("A video whose index is missing is refused")
    func noIndex() async throws {
        try await MediaFixture.with { fixture in
            let refusal = try await refusal(of: try fixture.cut(try await fixture.video(), to: 0.7), in: fixture)
            #expect(refusal == .unreadableVideo)
        }
    }

    @Test("A playlist named .mp4 does not make ffmpeg open another local file", arguments: ["hls", "concat"])
    func playlist(_ kind: String) async throws {
        try await MediaFixture.with { fixture in
            let video = try await fixture.video { $0.name = "other.ts" }
            let hls = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n\(video)\n#EXT-X-ENDLIST\n"
            let text = kind == "hls" ? hls : "ffconcat version 1.0\nfile '\(video)'\n"
            let list = try fixture.write(Data(text.utf8), "list.mp4")
            let refusal = try await refusal(of: list, in: fixture)
            #expect(refusal == .unreadableVideo)
        }
    }

    @Test("What is no video is refused whatever its name says", arguments: ["", "<html></html>", "%PDF-1.7\n"])
    func noVideo(_ text: String) async throws {
        try await MediaFixture.with { fixture in
            let refusal = try await refusal(of: try fixture.write(Data(text.utf8), "video.mp4"), in: fixture)
            #expect(refusal == .unreadableVideo)
            #expect(!refusal.reason.contains("/"))
        }
    }

    @Test("A video past the limits of length and size is refused by its header")
    func limits() async throws {
        try await MediaFixture.with { fixture in
            let video = try await fixture.video()
            let long = try await refusal(of: video, in: fixture) { $0.maximumVideoDuration = .milliseconds(500) }
            #expect(long.code == "video_too_long")
            let large = try await refusal(of: video, in: fixture) { $0.maximumVideoPixels = 1000 }
            #expect(large == .tooManyVideoPixels)
        }
    }

    @Test("A missing original is the machine's fault: another attempt may succeed")
    func missing() async throws {
        try await MediaFixture.with { fixture in
            let refusal = try await refusal(of: fixture.path("nothing.mp4"), in: fixture)
            #expect(refusal == .sourceUnavailable)
        }
    }

    @Test("A video that needs more memory, disk or time than it may have fails for good, saying so")
    func demanding() async throws {
        try await MediaFixture.with { fixture in
            let video = try await fixture.video { $0.seconds = 3 }
            let disk = try await refusal(of: video, in: fixture) {
                $0.videoHeight = 120
                $0.videoOutputBytes = 8192
            }
            #expect(disk == .videoTooDemanding)
            // The encoder meets this limit with its frames. It names no lower one that keeps its threads from starting.
            let large = try await fixture.video {
                $0.name = "large.mp4"
                $0.size = "1920x1080"
                $0.seconds = 2
                $0.frames = 30
            }
            let memory = try await refusal(of: large, in: fixture) {
                $0.videoHeight = 1078
                $0.videoPreset = .slow
                $0.videoMemoryBytes = 640 << 20
            }
            #expect(memory == .videoTooDemanding)
            let time = try await refusal(of: video, in: fixture) {
                $0.videoHeight = 120
                $0.videoTimeout = .milliseconds(20)
            }
            #expect(time == .videoTimeout)
            #expect(time.isPermanent)
        }
    }

    @Test("A cancelled video is given back within seconds and leaves no process behind")
    func cancelled() async throws {
        try await MediaFixture.with { fixture in
            let video = try await fixture.video {
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
                    try await processor.process(source: video, workspace: fixture.work) { _ in starting.yield() }
                }
            }
            for await _ in started { break }
            #expect(try !fixture.processes().isEmpty)
            let clock = ContinuousClock()
            let cancelled = clock.now
            task.cancel()
            #expect(try await task.value == .stopped)
            // Other tests have the processors meanwhile.
            #expect(clock.now - cancelled < .seconds(20))
            #expect(try fixture.processes().isEmpty)
        }
    }
}
