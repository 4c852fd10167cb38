import Foundation

/// A video that can be processed: what its renditions depend on.
struct Video: Sendable {
    /// Position of its picture track in the file.
    let videoIndex: Int
    /// Position of its sound track; nil if it is silent or its sound is of no known kind.
    let audioIndex: Int?
    /// As shown: turned as its display matrix says, with square pixels.
    let size: PixelSize
    /// Seconds; nil if the file does not say, as what browsers record.
    let duration: Double?
    /// The transfer function of a video in high dynamic range, by ffmpeg's name; nil for any other.
    let hdrTransfer: String?
    /// True if lines of two moments are woven into one frame.
    let isInterlaced: Bool
    /// True if its sound has more samples a second than `720p` keeps.
    let hasHighSampleRate: Bool
    /// False where a recording may begin and break off anywhere (broadcast streams): nothing promises a length,
    /// and the first frames may not decode.
    let isStrict: Bool
    /// True if browsers play its tracks as they are, once they lie in an MP4.
    let isPlayableAsIs: Bool
    /// Frames of picture and packets of sound; nil if the container does not count them.
    let samples: Int?

    /// Picks the tracks and checks them against the limits.
    init(_ probe: VideoProbe, limits: MediaSettings) throws(MediaFailure) {
        let pictures = probe.streams.filter { $0.codecType == "video" && $0.disposition?.attachedPic != 1 }
        guard let video = pictures.first else { throw .noVideoStream }
        guard let width = video.width, let height = video.height, width > 0, height > 0 else { throw .unreadableVideo }
        let stored = PixelSize(width: width, height: height)
        guard stored.area <= limits.maximumVideoPixels else { throw .tooManyVideoPixels }
        let audio = probe.streams.first { $0.codecType == "audio" && $0.codecName != nil && ($0.channels ?? 0) > 0 }

        let tracks = [video, audio].compactMap(\.self)
        duration = Self.duration(of: tracks, in: probe.format)
        if let duration {
            guard duration > 0 else { throw .emptyVideo }
            guard duration <= limits.maximumVideoDuration / .seconds(1) else {
                throw .videoTooLong(limits.maximumVideoDuration)
            }
        }

        let counts = tracks.compactMap { $0.nbFrames.flatMap { Int($0) } }
        samples = counts.count == tracks.count ? counts.reduce(0, +) : nil
        videoIndex = video.index
        audioIndex = audio?.index
        size = Self.shownSize(of: video, stored)
        hdrTransfer = video.colorTransfer.flatMap { ["smpte2084", "arib-std-b67"].contains($0) ? $0 : nil }
        isInterlaced = video.fieldOrder.map { ["tt", "bb", "tb", "bt"].contains($0) } ?? false
        hasHighSampleRate = (audio?.sampleRate.flatMap { Int($0) } ?? 0) > 48_000
        isStrict = !["mpegts", "mpeg"].contains(probe.format.formatName)
        isPlayableAsIs =
            Self.isPlayable(video) && (audio.map(Self.isPlayable) ?? true) && Self.isCopied(probe.format)
            && size == stored
    }

    /// True if a video that ran for `seconds` is shorter than this one promised. Half a second is for the last
    /// frame and the padding of sound coders, two in a hundred for containers that round.
    func isCut(at seconds: Double) -> Bool {
        guard isStrict, let duration else { return false }
        return duration - seconds > max(0.5, duration * 0.02)
    }

    /// The container may count a track that is left out, a track may count what an edit list leaves out.
    private static func duration(of tracks: [VideoProbe.Stream], in container: VideoProbe.Format) -> Double? {
        let longest = tracks.compactMap { $0.duration.flatMap(Double.init) }.max()
        return [longest, container.duration.flatMap(Double.init)].compactMap(\.self).min()
    }

    private static func shownSize(of video: VideoProbe.Stream, _ stored: PixelSize) -> PixelSize {
        var size = stored
        let ratio = (video.sampleAspectRatio ?? "").split(separator: ":").compactMap { Double($0) }
        if ratio.count == 2, ratio[1] > 0, (0.1...10).contains(ratio[0] / ratio[1]) {
            size.width = max(1, Int((Double(size.width) * ratio[0] / ratio[1]).rounded()))
        }
        let degrees = video.sideDataList?.compactMap(\.rotation).first ?? 0
        let isTurned = Int((degrees / 90).rounded()) % 2 != 0
        return isTurned ? size.turned : size
    }

    /// A display matrix, even one that only mirrors, is applied by encoding: not every player follows it.
    private static func isPlayable(_ stream: VideoProbe.Stream) -> Bool {
        if stream.codecType == "audio" {
            return stream.codecName == "aac" && stream.profile == "LC" && (stream.channels ?? 0) <= 2
        }
        let isUpright = !(stream.sideDataList ?? []).contains { $0.sideDataType == "Display Matrix" }
        let frameRate = (stream.avgFrameRate ?? "").split(separator: "/").compactMap { Double($0) }
        let isSlow = frameRate.count == 2 && frameRate[1] > 0 && frameRate[0] / frameRate[1] <= 60.5
        return stream.codecName == "h264" && stream.pixFmt == "yuv420p" && isUpright && isSlow
            && ["Constrained Baseline", "Baseline", "Main", "High"].contains(stream.profile)
            && (stream.level ?? 99) <= 42
            && stream.fieldOrder == "progressive"
    }

    /// Containers with exact times, at a bit rate a phone can stream (encoding gives 1–4 Mbit/s).
    private static func isCopied(_ format: VideoProbe.Format) -> Bool {
        let isExact = format.formatName.hasPrefix("mov,") || format.formatName.hasPrefix("matroska,")
        return isExact && (format.bitRate.flatMap { Int($0) } ?? .max) <= 6_000_000
    }
}

/// What ffprobe says about a file, in its own words.
struct VideoProbe: Decodable, Sendable {
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

    struct Disposition: Decodable, Sendable {
        /// 1 for the cover picture of a sound file.
        let attachedPic: Int?
    }

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
        return ["-v", "error", "-of", "json", "-show_entries", entries] + FFmpegArguments.input(path)
    }

    init(json: [UInt8]) throws {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        self = try decoder.decode(VideoProbe.self, from: Data(json))
    }
}
