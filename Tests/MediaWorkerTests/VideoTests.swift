import Foundation
import Testing

@testable import MediaWorker

@Suite("What a video needs")
struct VideoTests {
    /// A video as phones make them, with parts of ffprobe's answer replaced.
    private func video(_ replaced: [String: String] = [:]) throws -> Video {
        var json = """
            {"streams": [
                {"index": 0, "codec_type": "video", "codec_name": "h264", "profile": "High", "level": 31, "width": 1280,
                 "height": 720, "pix_fmt": "yuv420p", "sample_aspect_ratio": "1:1", "field_order": "progressive",
                 "avg_frame_rate": "30/1", "duration": "60.0", "nb_frames": "1800", "disposition": {"attached_pic": 0}},
                {"index": 1, "codec_type": "audio", "codec_name": "aac", "profile": "LC", "channels": 2,
                 "sample_rate": "44100", "avg_frame_rate": "0/0", "duration": "60.1", "nb_frames": "2585"}],
             "format": {"format_name": "mov,mp4,m4a,3gp,3g2,mj2", "duration": "60.1", "bit_rate": "2500000"}}
            """
        for (part, other) in replaced {
            try #require(json.contains(part))
            json = json.replacingOccurrences(of: part, with: other)
        }
        return try Video(VideoProbe(json: Array(json.utf8)), limits: MediaSettings())
    }

    @Test("A video of H.264 and AAC at a modest bit rate is not encoded again")
    func playable() throws {
        let video = try video()
        #expect(video.isPlayableAsIs)
        #expect(video.samples == 4385)
        #expect(video.duration == 60.1)
    }

    @Test(
        "A video some browser or phone would not play well is encoded",
        arguments: [
            ["\"h264\"": "\"hevc\""], ["\"yuv420p\"": "\"yuv420p10le\""], ["\"yuv420p\"": "\"yuvj420p\""],
            ["\"High\"": "\"High 4:2:2\""], ["\"level\": 31": "\"level\": 51"], ["\"1:1\"": "\"4:3\""],
            ["\"progressive\"": "\"tt\""], ["30/1": "120/1"], ["\"aac\"": "\"mp3\""], ["\"LC\"": "\"HE-AAC\""],
            ["\"channels\": 2": "\"channels\": 6"], ["2500000": "25000000"], ["mov,mp4,m4a,3gp,3g2,mj2": "avi"],
            [
                "{\"attached_pic\": 0}":
                    "{}, \"side_data_list\": [{\"side_data_type\": \"Display Matrix\", \"rotation\": 0}]"
            ],
        ]
    )
    func encoded(_ replaced: [String: String]) throws {
        #expect(try !video(replaced).isPlayableAsIs)
    }

    @Test("A video is turned as its matrix says", arguments: [-90, 90, 270])
    func turned(degrees: Int) throws {
        let matrix = "[{\"side_data_type\": \"Display Matrix\", \"rotation\": \(degrees)}]"
        let video = try video(["{\"attached_pic\": 0}": "{}, \"side_data_list\": \(matrix)"])
        #expect(video.size == PixelSize(width: 720, height: 1280))
    }

    @Test("A video is cut when it runs noticeably shorter than it says, unless it says nothing")
    func cut() throws {
        let promised = try video()
        #expect(!promised.isCut(at: 59.5, isWhole: false))
        #expect(promised.isCut(at: 58, isWhole: false))
        #expect(!promised.isCut(at: 58, isWhole: true), "its last frame stays")
        let broadcast = try video(["mov,mp4,m4a,3gp,3g2,mj2": "mpegts"])
        #expect(!broadcast.isCut(at: 58, isWhole: false))
        let live = try video(["\"duration\": \"60.0\", ": "", "\"duration\": \"60.1\", ": ""])
        #expect(live.duration == nil)
        #expect(!live.isCut(at: 1, isWhole: false))
    }

    @Test("A video without length is refused")
    func empty() throws {
        #expect(throws: MediaFailure.emptyVideo) { try video(["60.0": "0.000", "60.1": "0.000"]) }
    }

    @Test(
        "Numbers beyond all reason are not believed, and nothing is computed with them",
        arguments: ["190000000000000000", "9223372036854775807", "-1", "99999999999999999999", "nan"]
    )
    func absurdCounts(count: String) throws {
        let video = try video(["\"1800\"": "\"\(count)\"", "\"2585\"": "\"\(count)\""])
        #expect(video.samples == nil)
        #expect(!video.isPlayableAsIs)
    }

    @Test("A matrix that turns by no number turns by none", arguments: ["1e300", "-9223372036854775808"])
    func absurdRotation(degrees: String) throws {
        let matrix = "[{\"side_data_type\": \"Display Matrix\", \"rotation\": \(degrees)}]"
        _ = try video(["{\"attached_pic\": 0}": "{}, \"side_data_list\": \(matrix)"])
    }

    @Test("Sides that 32 bits do not hold are those of no video")
    func absurdSides() {
        #expect(throws: MediaFailure.unreadableVideo) {
            try video(["\"width\": 1280": "\"width\": 9223372036854775807"])
        }
    }

    @Test("A length that is no number is none", arguments: ["nan", "inf", "-inf"])
    func absurdLengths(length: String) throws {
        let video = try video(["60.0": length, "60.1": length])
        #expect(video.duration == nil)
    }

    @Test(
        "Times beyond all reason are not believed, and nothing is computed with them",
        arguments: ["1e308", "-1e308"]
    )
    func absurdTimes(time: String) throws {
        let video = try video([
            "\"duration\": \"60.0\"": "\"start_time\": \"\(time)\", \"duration\": \"\(time)\"",
            "\"duration\": \"60.1\", \"nb": "\"start_time\": \"\(time)\", \"duration\": \"60.1\", \"nb",
        ])
        #expect(video.pictureEnd == nil)
        #expect(video.duration == 60.1)
        #expect(video.sound?.start == 0)
    }

    @Test("A track of no number is none", arguments: ["-1", "-9223372036854775808"])
    func absurdTracks(index: String) throws {
        #expect(throws: MediaFailure.noVideoStream) { try video(["\"index\": 0": "\"index\": \(index)"]) }
        #expect(try video(["\"index\": 1": "\"index\": \(index)"]).sound == nil)
    }

    @Test("ffmpeg is told a time in words it knows, however short the time is")
    func shortTimes() throws {
        let video = try video([
            "\"60.0\"": "\"0.000011\"", "\"60.1\", \"nb": "\"0.000011\", \"start_time\": \"0.000011\", \"nb",
            "\"60.1\", \"bit": "\"0.000011\", \"bit",
        ])
        let moment = FFmpegArguments.Moment.keyFrame(from: (video.duration ?? 0) / 10)
        let poster = FFmpegArguments.poster(video, at: video.size, moment, from: "a", to: "b", toneMaps: false)
        #expect(poster.contains("1us"))
        let encoded = FFmpegArguments.encode(
            video,
            at: video.size,
            from: "a",
            to: "b",
            toneMaps: false,
            soundFile: "c",
            settings: MediaSettings()
        )
        #expect(encoded.contains("11us"))
    }

    @Test("A video ends with the track that ends last")
    func lateSound() throws {
        let late = try video([
            "\"duration\": \"60.1\", \"nb": "\"start_time\": \"2.5\", \"duration\": \"60.1\", \"nb",
            "\"duration\": \"60.1\", \"bit": "\"start_time\": \"0.0\", \"duration\": \"62.6\", \"bit",
        ])
        #expect(abs((late.duration ?? 0) - 62.6) < 1e-9)
        #expect(late.sound?.start == 2.5)
    }

    @Test("Frames that an edit list hides are not copied")
    func hiddenFrames() throws {
        #expect(try !video(["\"1800\"": "\"1860\""]).isPlayableAsIs)
        #expect(try !video(["\"2585\"": "\"2700\""]).isPlayableAsIs)
    }
}
