import Foundation
import Testing

@testable import MediaWorker

@Suite("What a film needs")
struct FilmTests {
    /// A film as phones make them, with parts of ffprobe's answer replaced.
    private func film(_ replaced: [String: String] = [:]) throws -> Film {
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
        return try Film(FilmProbe(json: Array(json.utf8)), limits: MediaSettings())
    }

    @Test("A film of H.264 and AAC at a modest bit rate is not encoded again")
    func playable() throws {
        let film = try film()
        #expect(film.isPlayableAsIs)
        #expect(film.samples == 4385)
        #expect(film.duration == 60.1)
    }

    @Test(
        "A film some browser or phone would not play well is encoded",
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
        #expect(try !film(replaced).isPlayableAsIs)
    }

    @Test("A film is turned as its matrix says", arguments: [-90, 90, 270])
    func turned(degrees: Int) throws {
        let matrix = "[{\"side_data_type\": \"Display Matrix\", \"rotation\": \(degrees)}]"
        let film = try film(["{\"attached_pic\": 0}": "{}, \"side_data_list\": \(matrix)"])
        #expect(film.size == PixelSize(width: 720, height: 1280))
    }

    @Test("A film is cut when it runs noticeably shorter than it says, unless it says nothing")
    func cut() throws {
        let promised = try film()
        #expect(!promised.isCut(at: 59.5))
        #expect(promised.isCut(at: 58))
        let broadcast = try film(["mov,mp4,m4a,3gp,3g2,mj2": "mpegts"])
        #expect(!broadcast.isCut(at: 58))
        let live = try film(["\"duration\": \"60.0\", ": "", "\"duration\": \"60.1\", ": ""])
        #expect(live.duration == nil)
        #expect(!live.isCut(at: 1))
    }

    @Test("A film without length is refused")
    func empty() throws {
        #expect(throws: MediaFailure.emptyFilm) { try film(["60.0": "0.000", "60.1": "0.000"]) }
    }
}
