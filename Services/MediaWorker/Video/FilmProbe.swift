import Foundation

/// What ffprobe says about a file, in its own words.
struct FilmProbe: Decodable, Sendable {
    /// One track.
    struct Stream: Decodable, Sendable {
        let index: Int
        let codecType: String?
        let codecName: String?
        let profile: String?
        let level: Int?
        let width: Int?
        let height: Int?
        let pixFmt: String?
        let sampleAspectRatio: String?
        let fieldOrder: String?
        let colorTransfer: String?
        let avgFrameRate: String?
        let duration: String?
        let nbFrames: String?
        let channels: Int?
        let sampleRate: String?
        let disposition: Disposition?
        let sideDataList: [SideData]?
    }

    /// How a track is meant to be used.
    struct Disposition: Decodable, Sendable {
        /// 1 for the cover picture of a sound file.
        let attachedPic: Int?
    }

    /// What hangs on a track.
    struct SideData: Decodable, Sendable {
        let sideDataType: String?
        /// Degrees, counter-clockwise.
        let rotation: Double?
    }

    /// The container.
    struct Format: Decodable, Sendable {
        let formatName: String
        let duration: String?
        let bitRate: String?
    }

    let streams: [Stream]
    let format: Format

    /// Arguments that give exactly what is decoded here; tags stay out, since they may be long and are never used.
    static func arguments(for path: String) -> [String] {
        let stream = """
            index,codec_type,codec_name,profile,level,width,height,pix_fmt,sample_aspect_ratio,field_order,\
            color_transfer,avg_frame_rate,duration,nb_frames,channels,sample_rate
            """
        let entries = """
            format=format_name,duration,bit_rate:stream=\(stream):stream_disposition=attached_pic:\
            stream_side_data=side_data_type,rotation
            """
        return ["-v", "error", "-of", "json", "-show_entries", entries] + FFmpeg.input(path)
    }

    /// Reads ffprobe's JSON.
    init(json: [UInt8]) throws {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        self = try decoder.decode(FilmProbe.self, from: Data(json))
    }
}
