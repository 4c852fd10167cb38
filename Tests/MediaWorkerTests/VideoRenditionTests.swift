import Foundation
import Synchronization
import Testing

@testable import MediaWorker

@Suite("Renditions of videos")
struct VideoRenditionTests {
    /// Small, so that small videos are large enough to be encoded.
    private static let small: MediaSettings = {
        var settings = MediaSettings()
        settings.videoHeight = 120
        return settings
    }()

    private func process(
        _ source: String,
        in fixture: MediaFixture,
        settings: MediaSettings = small
    ) async throws -> ProcessedMedia {
        let processor = VideoProcessor(settings: settings, logger: .silent)
        return try await processor.process(source: source, workspace: fixture.work) { _ in }
    }

    @Test("A video becomes an MP4 of H.264 and AAC with its index in front, and a JPEG poster")
    func landscape() async throws {
        try await MediaFixture.with { fixture in
            let output = try await process(try await fixture.video { $0.seconds = 2 }, in: fixture)
            #expect(output.size == PixelSize(320, 180))
            #expect((1.9...2.1).contains(try #require(output.durationSeconds)))
            #expect(output.renditions.map(\.name) == ["720p", "poster"])
            #expect(output.renditions.map(\.contentType) == ["video/mp4", "image/jpeg"])
            #expect(output.playable.size == PixelSize(212, 120))
            #expect(output.poster.size == PixelSize(320, 180))

            let probe = try await fixture.probe(output.playable.file)
            #expect(probe.video?.codecName == "h264")
            #expect(probe.video?.profile == "High")
            #expect(probe.video?.pixFmt == "yuv420p")
            #expect([probe.video?.width, probe.video?.height] == [212, 120])
            #expect(probe.audio?.codecName == "aac")
            #expect(probe.audio?.channels == 1)
            let bytes = try fixture.read(output.playable.file)
            let index = try #require(bytes.range(of: Data("moov".utf8)))
            let frames = try #require(bytes.range(of: Data("mdat".utf8)))
            #expect(index.lowerBound < frames.lowerBound)

            let poster = try await fixture.run("vipsheader", output.poster.file)
            #expect(poster.contains("320x180"))
            #expect(poster.contains("jpegload"))
        }
    }

    @Test("A video held upright stays upright: the limit is for its short side")
    func portrait() async throws {
        try await MediaFixture.with { fixture in
            let lying = try await fixture.video()
            let upright = try await fixture.rewrapped(lying, as: "upright.mp4", "-metadata:s:v", "rotate=90")
            let output = try await process(upright, in: fixture)
            #expect(output.size == PixelSize(180, 320))
            #expect(output.playable.size == PixelSize(120, 212))
            #expect(output.poster.size == PixelSize(180, 320))
            let video = try #require(try await fixture.probe(output.playable.file).video)
            #expect([video.width, video.height] == [120, 212])
            #expect(video.sideDataList == nil)
        }
    }

    @Test("A video without sound is a video")
    func silent() async throws {
        try await MediaFixture.with { fixture in
            let output = try await process(try await fixture.video { $0.sound = false }, in: fixture)
            let probe = try await fixture.probe(output.playable.file)
            #expect(probe.video != nil)
            #expect(probe.audio == nil)
        }
    }

    @Test("A small video is never enlarged, and odd sides become even")
    func neverEnlarged() async throws {
        try await MediaFixture.with { fixture in
            let odd = try await fixture.video {
                $0.options = ["-vf", "scale=161:91,setsar=1"]
                $0.name = "odd.avi"
                $0.video = ["-c:v", "mjpeg", "-pix_fmt", "yuvj444p"]
            }
            let output = try await process(odd, in: fixture)
            #expect(output.size == PixelSize(161, 91))
            #expect(output.playable.size == PixelSize(160, 90))
        }
    }

    @Test("Pixels that are not square become square")
    func anamorphic() async throws {
        try await MediaFixture.with { fixture in
            let wide = try await fixture.video { $0.options = ["-vf", "setsar=4/3"] }
            let output = try await process(wide, in: fixture)
            #expect(output.size == PixelSize(427, 180))
            #expect(output.playable.size == PixelSize(284, 120))
        }
    }

    @Test(
        "Every promised container is read",
        arguments: ["video.mkv", "video.webm", "video.avi", "video.ts", "video.mpg"]
    )
    func containers(_ name: String) async throws {
        try await MediaFixture.with { fixture in
            let video = try await fixture.video {
                $0.name = name
                $0.frames = 25
                switch name {
                case "video.webm": $0.video = ["-c:v", "libvpx", "-deadline", "realtime", "-c:a", "libopus"]
                case "video.mpg": $0.video = ["-c:v", "mpeg2video", "-c:a", "mp2"]
                default: break
                }
            }
            let output = try await process(video, in: fixture)
            #expect(output.size == PixelSize(320, 180))
            #expect((0.8...1.3).contains(try #require(output.durationSeconds)))
        }
    }

    @Test("What a browser records does not tell its length: the result does")
    func unknownLength() async throws {
        try await MediaFixture.with { fixture in
            let live = try await fixture.video {
                $0.name = "live.webm"
                $0.video = ["-c:v", "libvpx", "-deadline", "realtime", "-c:a", "libopus", "-live", "1"]
            }
            #expect(try await fixture.probe(live).format.duration == nil)
            let output = try await process(live, in: fixture)
            #expect((0.9...1.2).contains(try #require(output.durationSeconds)))
        }
    }

    @Test("High dynamic range becomes what every screen shows", arguments: ["smpte2084", "arib-std-b67"])
    func highDynamicRange(transfer: String) async throws {
        try await MediaFixture.with { fixture in
            let colours = "colorprim=bt2020:transfer=\(transfer):colormatrix=bt2020nc:log-level=error"
            let video = try await fixture.video {
                $0.video = [
                    "-c:v", "libx265", "-preset", "ultrafast", "-pix_fmt", "yuv420p10le", "-x265-params", colours,
                ]
            }
            #expect(try await fixture.probe(video).video?.colorTransfer == transfer)
            let output = try await process(video, in: fixture)
            let made = try await fixture.probe(output.playable.file).video
            #expect(made?.pixFmt == "yuv420p")
            #expect(made?.colorTransfer == "bt709")
        }
    }

    @Test("Nothing of the metadata is left: place, title, chapters, subtitles", arguments: [120, 720])
    func metadata(height: Int) async throws {
        try await MediaFixture.with { fixture in
            let text = try fixture.write(Data("1\n00:00:00,000 --> 00:00:01,000\nsecret words\n".utf8), "words.srt")
            let place = "location=+19.4326-099.1332/"
            try await fixture.run(
                "ffmpeg",
                ["-v", "error", "-i", try await fixture.video(), "-i", text, "-c", "copy", "-c:s", "mov_text"]
                    + ["-metadata", place, "-metadata", "title=secret title", fixture.path("tagged.mov")]
            )
            #expect(try fixture.read(fixture.path("tagged.mov")).range(of: Data("+19.4326".utf8)) != nil)
            var settings = MediaSettings()
            settings.videoHeight = height
            let output = try await process(fixture.path("tagged.mov"), in: fixture, settings: settings)
            for rendition in output.renditions {
                let bytes = try fixture.read(rendition.file)
                #expect(bytes.range(of: Data("+19.4326".utf8)) == nil)
                #expect(bytes.range(of: Data("secret".utf8)) == nil)
            }
            #expect(try await fixture.probe(output.playable.file).streams.count == 2)
        }
    }

    @Test("A video that needs no encoding keeps its very frames", arguments: ["video.mp4", "video.mkv"])
    func copied(_ name: String) async throws {
        try await MediaFixture.with { fixture in
            let video = try await fixture.video { $0.name = name }
            let output = try await process(video, in: fixture, settings: MediaSettings())
            #expect(output.playable.size == PixelSize(320, 180))
            let hashes = ["-v", "error", "-c", "copy", "-map", "0:v", "-bsf:v", "h264_mp4toannexb", "-f", "hash", "-"]
            let before = try await fixture.run("ffmpeg", ["-i", video] + hashes)
            let after = try await fixture.run("ffmpeg", ["-i", output.playable.file] + hashes)
            #expect(before == after)
        }
    }

    @Test("Progress grows from 0 to 1 and never falls")
    func progress() async throws {
        try await MediaFixture.with { fixture in
            let video = try await fixture.video {
                $0.size = "640x360"
                $0.seconds = 6
                $0.frames = 30
            }
            var settings = MediaSettings()
            settings.videoPreset = .medium
            settings.videoHeight = 358
            let reports = Mutex<[Double]>([])
            let processor = VideoProcessor(settings: settings, logger: .silent)
            _ = try await processor.process(source: video, workspace: fixture.work) { fraction in
                reports.withLock { $0.append(fraction) }
            }
            let seen = reports.withLock { $0 }
            #expect(seen.count > 1)
            #expect(seen == seen.sorted())
            #expect(seen.allSatisfy { (0...1).contains($0) })
            #expect((seen.last ?? 0) > 0.95)
        }
    }
}
