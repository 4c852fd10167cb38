import Foundation
import Synchronization
import Testing

@testable import MediaWorker

@Suite("Renditions of films")
struct VideoRenditionTests {
    /// Small, so that small films are large enough to be encoded.
    private static let small: MediaSettings = {
        var settings = MediaSettings()
        settings.videoHeight = 120
        return settings
    }()

    private func process(
        _ source: String,
        in shop: Workshop,
        settings: MediaSettings = small
    ) async throws -> VideoProcessor.Output {
        let processor = VideoProcessor(settings: settings, logger: .silent)
        return try await processor.process(source: source, workspace: shop.work) { _ in }
    }

    @Test("A film becomes an MP4 of H.264 and stereo AAC with its index in front, and a JPEG poster")
    func landscape() async throws {
        try await Workshop.with { shop in
            let output = try await process(try await shop.film { $0.seconds = 2 }, in: shop)
            #expect(output.size == "320x180")
            #expect((1.9...2.1).contains(output.durationSeconds))
            #expect(output.renditions.map(\.name) == ["720p", "poster"])
            #expect(output.renditions.map(\.contentType) == ["video/mp4", "image/jpeg"])
            #expect(output.movie.size == "212x120")
            #expect(output.poster.size == "320x180")

            let probe = try await shop.probe(output.movie.file)
            #expect(probe.video?.codecName == "h264")
            #expect(probe.video?.profile == "High")
            #expect(probe.video?.pixFmt == "yuv420p")
            #expect([probe.video?.width, probe.video?.height] == [212, 120])
            #expect(probe.audio?.codecName == "aac")
            #expect(probe.audio?.channels == 2)
            let bytes = try shop.read(output.movie.file)
            let index = try #require(bytes.range(of: Data("moov".utf8)))
            let film = try #require(bytes.range(of: Data("mdat".utf8)))
            #expect(index.lowerBound < film.lowerBound)

            let poster = try await shop.run("vipsheader", output.poster.file)
            #expect(poster.contains("320x180"))
            #expect(poster.contains("jpegload"))
        }
    }

    @Test("A film held upright stays upright: the limit is for its short side")
    func portrait() async throws {
        try await Workshop.with { shop in
            let lying = try await shop.film()
            let upright = try await shop.rewrapped(lying, as: "upright.mp4", "-metadata:s:v", "rotate=90")
            let output = try await process(upright, in: shop)
            #expect(output.size == "180x320")
            #expect(output.movie.size == "120x212")
            #expect(output.poster.size == "180x320")
            let video = try #require(try await shop.probe(output.movie.file).video)
            #expect([video.width, video.height] == [120, 212])
            #expect(video.sideDataList == nil)
        }
    }

    @Test("A film without sound is a film")
    func silent() async throws {
        try await Workshop.with { shop in
            let output = try await process(try await shop.film { $0.sound = false }, in: shop)
            let probe = try await shop.probe(output.movie.file)
            #expect(probe.video != nil)
            #expect(probe.audio == nil)
        }
    }

    @Test("A small film is never enlarged, and odd sides become even")
    func neverEnlarged() async throws {
        try await Workshop.with { shop in
            let odd = try await shop.film {
                $0.options = ["-vf", "scale=161:91,setsar=1"]
                $0.name = "odd.avi"
                $0.video = ["-c:v", "mjpeg", "-pix_fmt", "yuvj444p"]
            }
            let output = try await process(odd, in: shop)
            #expect(output.size == "161x91")
            #expect(output.movie.size == "160x90")
        }
    }

    @Test("Pixels that are not square become square")
    func anamorphic() async throws {
        try await Workshop.with { shop in
            let wide = try await shop.film { $0.options = ["-vf", "setsar=4/3"] }
            let output = try await process(wide, in: shop)
            #expect(output.size == "427x180")
            #expect(output.movie.size == "284x120")
        }
    }

    @Test("Every promised container is read", arguments: ["film.mkv", "film.webm", "film.avi", "film.ts", "film.mpg"])
    func containers(_ name: String) async throws {
        try await Workshop.with { shop in
            let film = try await shop.film {
                $0.name = name
                $0.frames = 25
                switch name {
                case "film.webm": $0.video = ["-c:v", "libvpx", "-deadline", "realtime", "-c:a", "libopus"]
                case "film.mpg": $0.video = ["-c:v", "mpeg2video", "-c:a", "mp2"]
                default: break
                }
            }
            let output = try await process(film, in: shop)
            #expect(output.size == "320x180")
            #expect((0.8...1.3).contains(output.durationSeconds))
        }
    }

    @Test("What a browser records does not tell its length: the result does")
    func unknownLength() async throws {
        try await Workshop.with { shop in
            let live = try await shop.film {
                $0.name = "live.webm"
                $0.video = ["-c:v", "libvpx", "-deadline", "realtime", "-c:a", "libopus", "-live", "1"]
            }
            #expect(try await shop.probe(live).format.duration == nil)
            let output = try await process(live, in: shop)
            #expect((0.9...1.2).contains(output.durationSeconds))
        }
    }

    @Test("High dynamic range becomes what every screen shows", arguments: ["smpte2084", "arib-std-b67"])
    func highDynamicRange(transfer: String) async throws {
        try await Workshop.with { shop in
            let colours = "colorprim=bt2020:transfer=\(transfer):colormatrix=bt2020nc:log-level=error"
            let film = try await shop.film {
                $0.video = [
                    "-c:v", "libx265", "-preset", "ultrafast", "-pix_fmt", "yuv420p10le", "-x265-params", colours,
                ]
            }
            #expect(try await shop.probe(film).video?.colorTransfer == transfer)
            let output = try await process(film, in: shop)
            let video = try await shop.probe(output.movie.file).video
            #expect(video?.pixFmt == "yuv420p")
            #expect(video?.colorTransfer == "bt709")
        }
    }

    @Test("Nothing of the metadata is left: place, title, chapters, subtitles", arguments: [120, 720])
    func metadata(height: Int) async throws {
        try await Workshop.with { shop in
            let text = try shop.write(Data("1\n00:00:00,000 --> 00:00:01,000\nsecret words\n".utf8), "words.srt")
            let place = "location=+19.4326-099.1332/"
            try await shop.run(
                "ffmpeg",
                ["-v", "error", "-i", try await shop.film(), "-i", text, "-c", "copy", "-c:s", "mov_text"]
                    + ["-metadata", place, "-metadata", "title=secret title", shop.path("tagged.mov")]
            )
            #expect(try shop.read(shop.path("tagged.mov")).range(of: Data("+19.4326".utf8)) != nil)
            var settings = MediaSettings()
            settings.videoHeight = height
            let output = try await process(shop.path("tagged.mov"), in: shop, settings: settings)
            for rendition in output.renditions {
                let bytes = try shop.read(rendition.file)
                #expect(bytes.range(of: Data("+19.4326".utf8)) == nil)
                #expect(bytes.range(of: Data("secret".utf8)) == nil)
            }
            #expect(try await shop.probe(output.movie.file).streams.count == 2)
        }
    }

    @Test("A film that needs no encoding keeps its very frames", arguments: ["film.mp4", "film.mkv"])
    func copied(_ name: String) async throws {
        try await Workshop.with { shop in
            let film = try await shop.film { $0.name = name }
            let output = try await process(film, in: shop, settings: MediaSettings())
            #expect(output.movie.size == "320x180")
            let hashes = ["-v", "error", "-c", "copy", "-map", "0:v", "-bsf:v", "h264_mp4toannexb", "-f", "hash", "-"]
            let before = try await shop.run("ffmpeg", ["-i", film] + hashes)
            let after = try await shop.run("ffmpeg", ["-i", output.movie.file] + hashes)
            #expect(before == after)
        }
    }

    @Test("Progress grows from 0 to 1 and never falls")
    func progress() async throws {
        try await Workshop.with { shop in
            let film = try await shop.film {
                $0.size = "640x360"
                $0.seconds = 6
                $0.frames = 30
            }
            var settings = MediaSettings()
            settings.videoPreset = .medium
            settings.videoHeight = 358
            let reports = Mutex<[Double]>([])
            let processor = VideoProcessor(settings: settings, logger: .silent)
            _ = try await processor.process(source: film, workspace: shop.work) { fraction in
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
