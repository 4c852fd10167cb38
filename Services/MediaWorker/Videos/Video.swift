import Foundation

/// A video that can be processed: what its renditions depend on.
struct Video: Sendable {
    /// The sound that goes with the picture.
    struct Sound: Sendable {
        /// Position of its track in the file.
        let index: Int
        let channels: Int
        /// True if its channels are no loudspeakers but directions.
        let isAmbisonic: Bool
        /// True if it has more samples a second than `720p` keeps.
        let hasHighSampleRate: Bool
        /// Seconds from the beginning of the video.
        let start: Double
        /// Seconds from the beginning of the video; nil if the file does not say.
        let end: Double?
        /// True for AMR with several frames a sample, of which ffmpeg before 7 decodes the first alone.
        let isPackedAMR: Bool
    }

    /// What the numbers of its pixels mean, as far as the file says.
    enum Colours: Sendable {
        case tagged
        /// Red, green and blue, not brightness and colour.
        case rgb
        /// Players take it for BT.709 in 720 stored lines or more, and for BT.601 below.
        case untagged(isHD: Bool)
    }

    /// Position of its picture track in the file.
    let videoIndex: Int
    /// Nil if it is silent or its sound is of no known kind.
    let sound: Sound?
    /// As shown: turned as its display matrix says, with square pixels.
    let size: PixelSize
    /// Turned as its display matrix says, with its pixels as they are: what ffmpeg's filters get.
    let turnedSize: PixelSize
    /// Seconds to the end of the last frame; nil if the file does not say, as what browsers record.
    let duration: Double?
    /// Seconds at which the picture track ends; nil if the file does not say.
    let pictureEnd: Double?
    /// The transfer function of a video in high dynamic range, by ffmpeg's name; nil for any other.
    let hdrTransfer: String?
    let colours: Colours
    /// True if lines of two moments are woven into one frame.
    let isInterlaced: Bool
    /// True if it has more frames a second than `720p` keeps.
    let isFast: Bool
    /// False where a recording may begin and break off anywhere (broadcast streams): nothing promises a length,
    /// and the first frames may not decode.
    let isStrict: Bool
    /// True if its container is MP4 or QuickTime.
    let isMovie: Bool
    /// True if browsers play its tracks as they are, once they lie in an MP4.
    let isPlayableAsIs: Bool
    /// Frames of picture and packets of sound; nil if the container does not count them, or beyond all reason.
    let samples: Int?

    /// Beyond this a count is not believed: a day of picture at 60 frames a second has half as many.
    private static let maximumSamples = 10_000_000

    /// Picks the tracks and checks them against the limits.
    init(_ probe: VideoProbe, limits: MediaSettings) throws(MediaFailure) {
        let streams = probe.streams.filter { $0.index >= 0 }
        let pictures = streams.filter { $0.codecType == "video" && $0.disposition?.attachedPic != 1 }
        guard let video = Self.shown(of: pictures) else { throw .noVideoStream }
        guard let stored = video.storedSize else { throw .unreadableVideo }
        guard stored.area <= limits.maximumVideoPixels else { throw .tooManyVideoPixels }
        let audio = streams.first { $0.codecType == "audio" && $0.codecName != nil && ($0.channels ?? 0) > 0 }

        let tracks = [video, audio].compactMap(\.self)
        let origin = probe.format.startTime?.seconds ?? 0
        duration = Self.duration(of: tracks, from: origin, in: probe.format)
        if let duration {
            guard duration > 0 else { throw .emptyVideo }
            guard duration <= limits.maximumVideoDuration / .seconds(1) else {
                throw .videoTooLong(limits.maximumVideoDuration)
            }
        }

        let counts = tracks.compactMap(\.frames).filter { (0...Self.maximumSamples).contains($0) }
        samples = counts.count == tracks.count ? counts.reduce(0, +) : nil
        videoIndex = video.index
        sound = audio.map { Sound($0, from: origin) }
        turnedSize = video.isTurned ? stored.turned : stored
        size = video.isTurned ? video.squareSize(stored).turned : video.squareSize(stored)
        pictureEnd = video.end(from: origin)
        hdrTransfer = video.colorTransfer.flatMap { ["smpte2084", "arib-std-b67"].contains($0) ? $0 : nil }
        colours = video.colours(lines: stored.height)
        isInterlaced = video.fieldOrder.map { ["tt", "bb", "tb", "bt"].contains($0) } ?? false
        isFast = (video.framesPerSecond ?? 0) > 60.5
        isStrict = !["mpegts", "mpeg"].contains(probe.format.formatName)
        isMovie = probe.format.formatName.hasPrefix("mov,")
        let hidesNothing = !isMovie || (samples != nil && !tracks.contains(where: \.hidesFrames))
        isPlayableAsIs =
            video.isPlayablePicture && (audio?.isPlayableSound ?? true) && Self.isCopied(probe.format)
            && size == stored && hdrTransfer == nil && hidesNothing
    }

    /// True if a video that ran for `seconds` is shorter than this one promised. Half a second is for the padding of
    /// sound coders, two in a hundred for containers that round. A file that is whole may promise more: how long its
    /// last frame stays.
    func isCut(at seconds: Double, isWhole: Bool) -> Bool {
        guard isStrict, !isWhole, let duration else { return false }
        return duration - seconds > max(0.5, duration * 0.02)
    }

    /// The track that is meant to be seen, or the largest.
    private static func shown(of pictures: [VideoProbe.Stream]) -> VideoProbe.Stream? {
        func rank(_ picture: VideoProbe.Stream) -> (Int, Int, Int) {
            (picture.disposition?.default ?? 0, picture.storedSize?.area ?? 0, -picture.index)
        }
        return pictures.max { rank($0) < rank($1) }
    }

    /// To the end of the track that ends last. The container may count a track that is left out, a track may count what
    /// an edit list leaves out.
    private static func duration(
        of tracks: [VideoProbe.Stream],
        from origin: Double,
        in container: VideoProbe.Format
    ) -> Double? {
        let last = tracks.compactMap { $0.end(from: origin) }.max()
        return [last, container.duration?.seconds].compactMap(\.self).min()
    }

    /// Containers with exact times, at a bit rate a phone can stream (encoding gives 1–4 Mbit/s).
    private static func isCopied(_ format: VideoProbe.Format) -> Bool {
        let isExact = format.formatName.hasPrefix("mov,") || format.formatName.hasPrefix("matroska,")
        return isExact && (format.bitRate.flatMap { Int($0) } ?? .max) <= 6_000_000
    }
}

extension Video.Sound {
    fileprivate init(_ stream: VideoProbe.Stream, from origin: Double) {
        index = stream.index
        channels = stream.channels ?? 0
        isAmbisonic = stream.channelLayout?.hasPrefix("ambisonic") ?? false
        hasHighSampleRate = (stream.sampleRate.flatMap { Int($0) } ?? 0) > 48_000
        start = max(0, (stream.startTime?.seconds ?? origin) - origin)
        end = stream.end(from: origin)
        let frameSeconds = stream.frames.flatMap { frames in
            stream.duration?.seconds.map { $0 / Double(max(1, frames)) }
        }
        // A frame of AMR is 20 ms.
        isPackedAMR = ["amr_nb", "amr_wb"].contains(stream.codecName) && (frameSeconds ?? 0) > 0.03
    }
}

extension VideoProbe.Stream {
    /// Nil without two sides that 32 bits hold.
    fileprivate var storedSize: PixelSize? {
        guard let width, let height, (1...Int(Int32.max)).contains(width), (1...Int(Int32.max)).contains(height) else {
            return nil
        }
        return PixelSize(width: width, height: height)
    }

    fileprivate var frames: Int? { nbFrames.flatMap { Int($0) } }

    fileprivate var framesPerSecond: Double? {
        let ratio = (avgFrameRate ?? "").split(separator: "/").compactMap { Double($0) }
        guard ratio.count == 2, ratio[1] > 0 else { return nil }
        return ratio[0] / ratio[1]
    }

    /// When it ends, in seconds from `origin`; nil if the file does not say.
    fileprivate func end(from origin: Double) -> Double? {
        duration?.seconds.map { (startTime?.seconds ?? origin) + $0 - origin }
    }

    fileprivate var isTurned: Bool {
        let degrees = sideDataList?.compactMap(\.rotation).first ?? 0
        return (Int(exactly: (degrees / 90).rounded()) ?? 0) % 2 != 0
    }

    /// Its size in square pixels.
    fileprivate func squareSize(_ stored: PixelSize) -> PixelSize {
        let ratio = (sampleAspectRatio ?? "").split(separator: ":").compactMap { Double($0) }
        guard ratio.count == 2, ratio[1] > 0, (0.1...10).contains(ratio[0] / ratio[1]) else { return stored }
        return PixelSize(
            width: max(1, Int((Double(stored.width) * (ratio[0] / ratio[1])).rounded())),
            height: stored.height
        )
    }

    fileprivate func colours(lines: Int) -> Video.Colours {
        let kinds = ["rgb", "bgr", "gbr", "argb", "abgr", "0rgb", "0bgr", "pal8"]
        if colorSpace == "gbr" || kinds.contains(where: { pixFmt?.hasPrefix($0) == true }) { return .rgb }
        return colorSpace == nil || colorSpace == "unknown" ? .untagged(isHD: lines >= 720) : .tagged
    }

    /// True if an edit list shows less than the track has: a copy would still have the rest.
    fileprivate var hidesFrames: Bool {
        guard let frames, let duration = duration?.seconds else { return false }
        if codecType == "audio" {
            guard let rate = sampleRate.flatMap(Double.init), rate > 0 else { return false }
            return Double(frames) * 1024 / rate - duration > 0.25
        }
        guard let framesPerSecond else { return false }
        return Double(frames) - duration * framesPerSecond > 0.75
    }

    fileprivate var isPlayableSound: Bool { codecName == "aac" && profile == "LC" && (channels ?? 0) <= 2 }

    /// A display matrix, even one that only mirrors, is applied by encoding: not every player follows it.
    fileprivate var isPlayablePicture: Bool {
        let isUpright = !(sideDataList ?? []).contains { $0.sideDataType == "Display Matrix" }
        let isSlow = framesPerSecond.map { $0 <= 60.5 } ?? false
        return codecName == "h264" && pixFmt == "yuv420p" && isUpright && isSlow
            && ["Constrained Baseline", "Baseline", "Main", "High"].contains(profile)
            && (level ?? 99) <= 42
            && fieldOrder == "progressive"
    }
}

extension String {
    /// The seconds it says; nil for what is no number, and beyond all reason: sums of these are finite.
    fileprivate var seconds: Double? { Double(self).flatMap { abs($0) < 1e9 ? $0 : nil } }
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
        let colorSpace: String?
        let colorTransfer: String?
        let avgFrameRate: String?
        let startTime: String?
        let duration: String?
        let nbFrames: String?
        let channels: Int?
        let channelLayout: String?
        let sampleRate: String?
        let disposition: Disposition?
        let sideDataList: [SideData]?
    }

    struct Disposition: Decodable, Sendable {
        /// 1 for the cover picture of a sound file.
        let attachedPic: Int?
        /// 1 for the track that is meant to be played.
        let `default`: Int?
    }

    struct SideData: Decodable, Sendable {
        let sideDataType: String?
        /// Degrees, counter-clockwise.
        let rotation: Double?
    }

    /// The container.
    struct Format: Decodable, Sendable {
        let formatName: String
        let startTime: String?
        let duration: String?
        let bitRate: String?
    }

    let streams: [Stream]
    let format: Format

    /// Arguments that give exactly what is decoded here; tags stay out, since they may be long and are never used.
    static func arguments(for path: String) -> [String] {
        let stream = """
            index,codec_type,codec_name,profile,level,width,height,pix_fmt,sample_aspect_ratio,field_order,\
            color_space,color_transfer,avg_frame_rate,start_time,duration,nb_frames,channels,channel_layout,sample_rate
            """
        let entries = """
            format=format_name,start_time,duration,bit_rate:stream=\(stream):\
            stream_disposition=attached_pic,default:stream_side_data=side_data_type,rotation
            """
        return ["-v", "error", "-of", "json", "-show_entries", entries] + FFmpegArguments.input(path)
    }

    init(json: [UInt8]) throws {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        self = try decoder.decode(VideoProbe.self, from: Data(json))
    }
}
