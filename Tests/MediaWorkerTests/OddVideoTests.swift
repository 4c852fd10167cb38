import Foundation
import Testing

@testable import MediaWorker

/// Valid videos that are not like those of cameras.
@Suite("Videos of other kinds")
struct OddVideoTests {
    private func process(_ source: String, in fixture: MediaFixture, height: Int = 120) async throws -> ProcessedMedia {
        var settings = MediaSettings()
        settings.videoHeight = height
        let processor = VideoProcessor(settings: settings, logger: .silent)
        return try await processor.process(source: source, workspace: fixture.work) { _ in }
    }

    @Test("A recording that has frames only when something changes keeps each of them, at its time")
    func unevenFrames() async throws {
        try await MediaFixture.with { fixture in
            let video = try await fixture.video {
                $0.seconds = 6
                $0.frames = 30
                $0.sound = false
                $0.options = ["-vf", "select='if(lt(t\\,4)\\,not(mod(n\\,30))\\,1)'", "-fps_mode", "vfr"]
            }
            #expect(try await fixture.frames(of: video) == 64)
            let output = try await process(video, in: fixture)
            #expect(try await fixture.frames(of: output.playable.file) == 64)
            let times = try await fixture.times(of: output.playable.file)
            #expect(zip(times, try await fixture.times(of: video)).allSatisfy { abs($0 - $1) < 0.002 })
        }
    }

    @Test("More than 60 frames a second become 60")
    func fast() async throws {
        try await MediaFixture.with { fixture in
            let video = try await fixture.video {
                $0.frames = 120
                $0.sound = false
            }
            let output = try await process(video, in: fixture)
            #expect((60...61).contains(try await fixture.frames(of: output.playable.file)))
        }
    }

    @Test("A silent video of one frame a second is as long as it says", arguments: [120, 720])
    func slow(height: Int) async throws {
        try await MediaFixture.with { fixture in
            let video = try await fixture.video {
                $0.seconds = 6
                $0.frames = 1
                $0.sound = false
            }
            let output = try await process(video, in: fixture, height: height)
            #expect(output.durationSeconds == 6)
            #expect(try await fixture.frames(of: output.playable.file) == 6)
        }
    }

    @Test("A video trimmed to a part without a key frame has a poster, and its renditions nothing of the rest")
    func trimmed() async throws {
        try await MediaFixture.with { fixture in
            let video = try await fixture.video {
                $0.seconds = 4
                $0.options = ["-g", "600"]
            }
            let trimmed = fixture.path("trimmed.mp4")
            try await fixture.run("ffmpeg", "-v", "error", "-ss", "1.5", "-i", video, "-c", "copy", "-t", "2", trimmed)
            let output = try await process(trimmed, in: fixture, height: 720)
            #expect(output.renditions.map(\.name) == ["720p", "poster"])
            let hidden = try await fixture.frames(of: output.playable.file, "-ignore_editlist", "1")
            #expect(hidden <= 32, "30 frames are shown, and the source has 53")
        }
    }

    @Test("Of two pictures the one that is meant to be seen is taken")
    func defaultTrack() async throws {
        try await MediaFixture.with { fixture in
            let small = try await fixture.video {
                $0.size = "160x90"
                $0.sound = false
                $0.name = "small.mp4"
            }
            let both = fixture.path("both.mp4")
            try await fixture.run(
                "ffmpeg",
                [
                    "-v", "error", "-i", small, "-i", try await fixture.video(), "-map", "0:v", "-map", "1:v", "-c",
                    "copy",
                ]
                    + ["-disposition:v:0", "0", "-disposition:v:1", "default", both]
            )
            let output = try await process(both, in: fixture, height: 720)
            #expect(output.size == PixelSize(320, 180))
            #expect(try await fixture.probe(output.playable.file).video?.width == 320)
        }
    }

    @Test("Mono stays mono, as loud as it was; six channels become two", arguments: [1, 6])
    func channels(count: Int) async throws {
        try await MediaFixture.with { fixture in
            let video = try await fixture.video { $0.options = ["-ac", "\(count)"] }
            let output = try await process(video, in: fixture)
            let sound = try await fixture.probe(output.playable.file).audio
            #expect(sound?.channels == min(count, 2))
            guard count == 1 else { return }
            let change = try await fixture.loudness(of: output.playable.file) - fixture.loudness(of: video)
            #expect(abs(change) < 0.5, "decibels")
        }
    }

    @Test(
        "A poster has the colours of its video, tagged or not",
        arguments: [["-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709"], []]
    )
    func posterColours(_ tags: [String]) async throws {
        try await MediaFixture.with { fixture in
            let video = fixture.path("green.mp4")
            try await fixture.run(
                "ffmpeg",
                [
                    "-v", "error", "-f", "lavfi", "-i", "color=c=0x1EBE3C:size=1280x720:rate=10:duration=1,format=gbrp",
                    "-vf",
                ]
                    + ["scale=out_color_matrix=bt709", "-c:v", "libx264", "-pix_fmt", "yuv420p"] + tags + [video]
            )
            let output = try await process(video, in: fixture, height: 720)
            let colour = try await fixture.colour(of: output.poster.file)
            #expect(zip(colour, [0x1E, 0xBE, 0x3C]).allSatisfy { abs($0 - $1) <= 6 }, "\(colour)")
        }
    }

    @Test("Colours without a luminance become those of BT.709, and the file says so")
    func rgb() async throws {
        try await MediaFixture.with { fixture in
            let video = try await fixture.video {
                $0.name = "rgb.mov"
                $0.video = ["-c:v", "qtrle", "-pix_fmt", "rgb24"]
            }
            let output = try await process(video, in: fixture)
            let made = try #require(try await fixture.probe(output.playable.file).video)
            #expect([made.colorSpace, made.colorTransfer] == ["bt709", "bt709"])
        }
    }
}

extension MediaFixture {
    /// How many frames a picture has.
    fileprivate func frames(of file: String, _ options: String...) async throws -> Int {
        try await times(of: file, options).count
    }

    /// When each frame is shown, in seconds.
    fileprivate func times(of file: String, _ options: [String] = []) async throws -> [Double] {
        let wanted = ["-v", "error", "-select_streams", "v:0", "-show_entries", "packet=pts_time", "-of", "csv=p=0"]
        let lines = try await run("ffprobe", options + wanted + [file]).split(separator: "\n")
        return lines.compactMap { Double($0.trimmingCharacters(in: CharacterSet(charactersIn: ", "))) }.sorted()
    }

    /// Mean volume, in decibels.
    fileprivate func loudness(of file: String) async throws -> Double {
        let text = try await run(
            "sh",
            ["-c", "exec ffmpeg -hide_banner -nostdin -i \"$0\" -af volumedetect -f null - 2>&1", file]
        )
        let line = try #require(text.split(separator: "\n").first { $0.contains("mean_volume:") })
        let number = try #require(line.split(separator: "mean_volume:").last?.split(separator: " ").first)
        return try #require(Double(number))
    }

    /// Red, green and blue of a picture of one colour.
    fileprivate func colour(of file: String) async throws -> [Int] {
        let pixel = path("pixel.raw")
        try await run(
            "ffmpeg",
            ["-v", "error", "-i", file, "-vf", "crop=2:2:100:100,scale=1:1", "-frames:v", "1", "-pix_fmt", "rgb24"]
                + ["-f", "rawvideo", "-y", pixel]
        )
        return try read(pixel).map(Int.init)
    }
}
