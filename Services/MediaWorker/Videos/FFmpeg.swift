import Foundation
import Logging
import Subprocess

/// ffprobe and ffmpeg as this worker runs them.
struct FFmpeg: Sendable {
    let settings: MediaSettings
    let logger: Logger

    func probe(_ path: String) async throws(MediaFailure) -> Video {
        let limit = 1 << 20
        let json = try await run("ffprobe", VideoProbe.arguments(for: path), within: .seconds(60)) { output in
            var bytes: [UInt8] = []
            for try await buffer in output where bytes.count <= limit {
                buffer.withUnsafeBytes { bytes.append(contentsOf: $0) }
            }
            return bytes
        }
        let probe: VideoProbe
        do {
            probe = try VideoProbe(json: json)
        } catch {
            logger.info("ffprobe's answer makes no sense", metadata: ["error": "\(error)", "bytes": "\(json.count)"])
            throw .unreadableVideo
        }
        return try Video(probe, limits: settings)
    }

    /// How long a rendition is, in seconds. What ffmpeg says of its progress ends before the last frames.
    func seconds(of rendition: String) async throws(MediaFailure) -> Double {
        let arguments = ["-v", "error", "-of", "csv=p=0", "-show_entries", "format=duration"]
        let text = try await run("ffprobe", arguments + FFmpegArguments.input(rendition), within: .seconds(60)) {
            output in
            var text = ""
            for try await line in output.strings() where text.utf8.count < 64 { text += line }
            return text
        }
        return Double(text.trimmingCharacters(in: .whitespacesAndNewlines)) ?? 0
    }

    /// True if this ffmpeg can map high dynamic range to what every screen shows.
    func canToneMap() async throws(MediaFailure) -> Bool {
        let found = try await run("ffmpeg", ["-v", "error", "-nostdin", "-filters"], within: .seconds(60)) { output in
            var found: Set<String> = []
            for try await line in output.strings() {
                let words = line.split(separator: " ")
                if words.count > 1, ["zscale", "tonemap"].contains(words[1]) { found.insert(String(words[1])) }
            }
            return found
        }
        return found.count == 2
    }

    /// Runs ffmpeg to its end. `progress` gets 0…1 about twice a second, never falling; nothing if `duration`, the
    /// seconds of video in the result, is nil (unknown).
    func convert(
        _ arguments: [String],
        duration: Double? = nil,
        progress: @escaping @Sendable (Double) async -> Void = { _ in }
    ) async throws(MediaFailure) {
        try await run("ffmpeg", arguments, within: settings.videoTimeout) { output in
            var reported = 0.0
            for try await line in output.strings() {
                guard line.hasPrefix("out_time_us="), let microseconds = Double(line.dropFirst(12)) else { continue }
                guard let duration, duration > 0 else { continue }
                let fraction = min(1, microseconds / 1e6 / duration)
                guard fraction > reported else { continue }
                reported = fraction
                await progress(fraction)
            }
        }
    }

    private func run<Output: Sendable>(
        _ tool: String,
        _ arguments: [String],
        within time: Duration,
        read: @escaping @Sendable (SubprocessOutputSequence) async throws -> Output
    ) async throws(MediaFailure) -> Output {
        let process = LimitedProcess(
            memoryBytes: settings.videoMemoryBytes,
            outputBytes: settings.videoOutputBytes,
            time: time
        )
        let ending = await process.run(tool, arguments, read: read)
        // A write that failed may come with any exit code, success included.
        if case .exited(code: 0, let output, let errors) = ending, !Self.isDiskFull(errors) { return output }
        let failure = Self.failure(ending)
        logger.log(
            level: failure == .stopped ? .debug : .info,
            "a video could not be processed",
            metadata: ["tool": "\(tool)", "code": "\(failure.code)", "ending": "\(ending)"]
        )
        throw failure
    }

    /// Why a run of ffmpeg or ffprobe gave no result.
    ///
    /// They have one exit code for most of what can go wrong. What the machine lacked stands only in their
    /// messages, in the C library's fixed words.
    private static func failure<Output>(_ ending: LimitedProcess.Ending<Output>) -> MediaFailure {
        switch ending {
        case .cancelled: .stopped
        case .timedOut: .videoTimeout
        case .broken: .videoToolUnavailable
        case .signaled(SIGXFSZ, _), .signaled(SIGXCPU, _): .videoTooDemanding
        case .signaled(SIGSEGV, _), .signaled(SIGABRT, _), .signaled(SIGBUS, _), .signaled(SIGILL, _),
            .signaled(SIGFPE, _):
            .unreadableVideo
        case .signaled: .stopped
        case .exited(_, _, let errors) where isDiskFull(errors): .noSpace
        case .exited(126...127, _, _): .videoToolUnavailable
        // ffmpeg's exit code when a signal made it stop.
        case .exited(255, _, _): .stopped
        case .exited(_, _, let errors) where isOutOfMemory(errors): .videoTooDemanding
        case .exited: .unreadableVideo
        }
    }

    /// In the words of the C library for memory and for threads, which also need it, and in those of x264.
    private static func isOutOfMemory(_ errors: String) -> Bool {
        ["Cannot allocate memory", "Resource temporarily unavailable", "malloc of size", "get_buffer() failed"]
            .contains(
                where: errors.contains
            )
    }

    private static func isDiskFull(_ errors: String) -> Bool {
        errors.contains("No space left on device")
    }
}

/// ffmpeg's command lines.
enum FFmpegArguments {
    /// Opens one local file and nothing it points to: a playlist named `.mp4` would be followed otherwise,
    /// even to other local files.
    static func input(
        _ path: String,
        containers: String = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg"
    ) -> [String] {
        ["-protocol_whitelist", "file", "-format_whitelist", containers, "-i", "file:\(path)"]
    }

    /// `720p` with the video's own tracks: only the container is new.
    static func copy(_ video: Video, from source: String, to file: String) -> [String] {
        // Room for the index ahead of the video, where it is wanted, saves writing the video twice. No sample takes
        // more than 44 bytes of index.
        let index = video.samples.map { ["-moov_size", "\(8192 + 48 * $0)"] } ?? ["-movflags", "+faststart"]
        return start(video) + input(source) + tracks(video) + ["-c", "copy"] + index + mp4(file)
    }

    /// `720p` encoded at `size`, whose sides must be even. Without tone mapping a video in high dynamic range
    /// comes out pale.
    ///
    /// Every frame keeps its time: what records only changes (screens, browsers, thermal cameras) has no rate to go by.
    /// `soundFile` is what `unpackedSound` made; `holding` says for how many seconds the last frame stays.
    static func encode(
        _ video: Video,
        at size: PixelSize,
        from source: String,
        to file: String,
        toneMaps: Bool,
        soundFile: String? = nil,
        holding: Double? = nil,
        settings: MediaSettings
    ) -> [String] {
        let threads = ["-threads", "\(settings.videoThreads)"]
        let picture = Picture(video, size, toneMaps: toneMaps)
        var arguments = start(video) + threads + input(source)
        if let soundFile, let sound = video.sound {
            arguments += ["-itsoffset", time(sound.start)] + input(soundFile, containers: "amr")
        }
        arguments += tracks(video, soundApart: soundFile != nil) + threads
        arguments += [
            "-vf", picture.playable(holding: holding), "-c:v", "libx264", "-profile:v", "high",
            "-preset", settings.videoPreset.rawValue,
        ]
        arguments += ["-crf", "\(settings.videoCRF)", "-pix_fmt", "yuv420p"]
        arguments += ["-fps_mode", "vfr", "-enc_time_base", video.isFast ? "0" : "-1", "-level:v", level(of: size)]
        arguments += picture.tags + ["-c:a", "aac", "-b:a", "128k"]
        if let sound = video.sound {
            arguments += mixing(sound)
            if sound.hasHighSampleRate { arguments += ["-ar", "48000"] }
        }
        return arguments + ["-movflags", "+faststart"] + mp4(file)
    }

    /// The sound of a video in a file of its own, where each frame is a packet: ffmpeg before 7 decodes only the first
    /// of several frames of AMR in one sample.
    static func unpackedSound(_ sound: Video.Sound, from source: String, to file: String) -> [String] {
        ["-v", "error", "-nostdin"] + input(source)
            + ["-map", "0:\(sound.index)", "-c", "copy", "-f", "amr", "-y", "file:\(file)"]
    }

    /// Where `poster` may be taken from a video: `keyFrame` is the first key frame from so many seconds on, which is
    /// four times as quick as the frame at that time would be; a video may show none.
    enum Moment {
        case keyFrame(from: Double)
        case firstFrame
    }

    /// `poster`; without a frame at its moment none is made, which is no error to ffmpeg.
    static func poster(
        _ video: Video,
        at size: PixelSize,
        _ moment: Moment,
        from source: String,
        to file: String,
        toneMaps: Bool
    ) -> [String] {
        let seek =
            switch moment {
            case .keyFrame(let seconds): ["-ss", time(seconds), "-skip_frame", "nokey", "-threads", "1"]
            case .firstFrame: ["-threads", "1"]
            }
        let picture = Picture(video, size, toneMaps: toneMaps).still
        let output = ["-map", "0:\(video.videoIndex)", "-map_metadata", "-1", "-vf", picture, "-frames:v", "1"]
        // On mjpeg's scale of 2 to 31, 4 is about what libjpeg calls 85.
        return ["-v", "error", "-nostdin"] + seek + input(source) + output
            + ["-c:v", "mjpeg", "-q:v", "4", "-f", "image2", "-update", "1", "-y", "file:\(file)"]
    }

    private static func start(_ video: Video) -> [String] {
        // A video that ends early makes ffmpeg exit 0 without these.
        let strictness = video.isStrict ? ["-xerror", "-err_detect", "explode"] : []
        return ["-v", "error", "-nostdin", "-nostats", "-progress", "pipe:1", "-stats_period", "0.5"] + strictness
    }

    /// Picture and sound and nothing else: no location, titles, chapters, subtitles or data tracks.
    private static func tracks(_ video: Video, soundApart: Bool = false) -> [String] {
        let sound = video.sound.map { ["-map", soundApart ? "1:0" : "0:\($0.index)"] } ?? []
        return ["-map", "0:\(video.videoIndex)"] + sound + ["-map_metadata", "-1", "-map_chapters", "-1", "-sn", "-dn"]
    }

    /// Two channels at most, no louder or quieter than they were: mono stays mono, since two of it would lose 3 dB; a mix
    /// of surround channels is held below clipping.
    private static func mixing(_ sound: Video.Sound) -> [String] {
        switch sound.channels {
        case ...2: []
        case _ where sound.isAmbisonic: ["-af", "pan=stereo|c0=c0|c1=c0"]
        case 3...8: ["-af", "aresample=ochl=stereo,alimiter=limit=0.9:level=false"]
        // Of no layout that ffmpeg knows how to mix.
        default: ["-af", "pan=stereo|c0=c0|c1=c1"]
        }
    }

    /// H.264's level for a picture at 60 frames a second (ITU-T H.264, table A-1). The encoder would go by the rate it is
    /// told, which with times of their own is none.
    private static func level(of size: PixelSize) -> String {
        switch (size.width + 15) / 16 * ((size.height + 15) / 16) {
        case ...4096: "4.0"
        case ...8704: "4.2"
        case ...16_384: "5.1"
        default: "5.2"
        }
    }

    /// A time in seconds, without the exponent that Swift writes where it is short: ffmpeg takes none.
    private static func time(_ seconds: Double) -> String {
        "\(Int64((min(max(seconds, 0), 1e9) * 1e6).rounded()))us"
    }

    private static func mp4(_ file: String) -> [String] {
        ["-max_muxing_queue_size", "4096", "-f", "mp4", "-y", "file:\(file)"]
    }
}

/// How the frames of a video become those of a rendition: ffmpeg's filters.
private struct Picture {
    let video: Video
    let size: PixelSize
    /// Nil if nothing is mapped.
    private let transfer: String?

    init(_ video: Video, _ size: PixelSize, toneMaps: Bool) {
        self.video = video
        self.size = size
        transfer = toneMaps ? video.hdrTransfer : nil
    }

    /// For `720p`.
    func playable(holding seconds: Double?) -> String {
        var chain = video.isInterlaced ? ["yadif"] : []
        if video.isFast { chain.append("fps=60") }
        if let seconds { chain += hold(seconds) }
        if let transfer {
            chain += [scale("")] + toneMapped(from: transfer, matrix: "bt709", range: "tv")
        } else {
            chain.append(scale(isRGB ? ":out_range=tv:out_color_matrix=bt709" : ":out_range=tv"))
        }
        return (chain + ["setsar=1", "format=yuv420p"]).joined(separator: ",")
    }

    /// For `poster`: in a JPEG the numbers mean BT.601 (JFIF 1.02), whatever they mean in the video.
    var still: String {
        var chain = video.isInterlaced ? ["yadif"] : []
        if let transfer {
            chain += [scale("")] + toneMapped(from: transfer, matrix: "470bg", range: "pc")
        } else {
            let from = if case .untagged(isHD: true) = video.colours { ":in_color_matrix=bt709" } else { "" }
            chain.append(scale("\(from):out_range=pc:out_color_matrix=bt601"))
        }
        return (chain + ["setsar=1", "format=yuvj420p"]).joined(separator: ",")
    }

    /// What `720p` says of its colours. What a video says itself is kept.
    var tags: [String] {
        guard transfer == nil else { return [] }
        let words =
            switch video.colours {
            case .tagged: ""
            case .rgb, .untagged(isHD: true): "bt709"
            case .untagged(isHD: false): "smpte170m"
            }
        guard !words.isEmpty else { return [] }
        return ["-colorspace", words, "-color_primaries", words, "-color_trc", words, "-color_range", "tv"]
    }

    private var isRGB: Bool { if case .rgb = video.colours { true } else { false } }

    /// To the size of the rendition. A recording that was turned on the way has frames of other proportions: they are kept,
    /// with black beside them.
    private func scale(_ options: String) -> String {
        let (width, height) = (video.turnedSize.width, video.turnedSize.height)
        let fitted = (
            "2*trunc(\(size.width)/2*min(1\\,iw*\(height)/(ih*\(width))))",
            "2*trunc(\(size.height)/2*min(1\\,ih*\(width)/(iw*\(height))))"
        )
        return "scale=w=\(fitted.0):h=\(fitted.1)\(options),pad=\(size.width):\(size.height):-1:-1"
    }

    private func toneMapped(from transfer: String, matrix: String, range: String) -> [String] {
        [
            "zscale=tin=\(transfer):pin=bt2020:min=bt2020nc:t=linear:npl=100",
            "format=gbrpf32le", "zscale=p=bt709", "tonemap=hable:desat=0", "zscale=t=bt709:m=\(matrix):r=\(range)",
        ]
    }

    /// Repeats the last frame up to the end of the track. The repeated ones stand close to the end: the encoder puts
    /// frames in another order, and the container takes the length from the last of that order.
    private func hold(_ seconds: Double) -> [String] {
        guard let end = video.pictureEnd else { return [] }
        let last = end - seconds
        return [
            "tpad=stop=4:stop_mode=clone",
            "setpts='if(gt(T\\,\(last + 0.002))\\,max(PREV_OUTT+1/30\\,\(end)-4/30)/TB\\,PTS)'",
        ]
    }
}
