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

    /// Runs ffmpeg to its end; gives the seconds of video written. `progress` gets 0…1 about twice a second, never
    /// falling; nothing if `duration`, the seconds of video in the result, is nil (unknown).
    func convert(
        _ arguments: [String],
        duration: Double? = nil,
        progress: @escaping @Sendable (Double) async -> Void = { _ in }
    ) async throws(MediaFailure) -> Double {
        try await run("ffmpeg", arguments, within: settings.videoTimeout) { output in
            var written = 0.0
            var reported = 0.0
            for try await line in output.strings() {
                guard line.hasPrefix("out_time_us="), let microseconds = Double(line.dropFirst(12)) else { continue }
                written = max(written, microseconds / 1e6)
                guard let duration, duration > 0 else { continue }
                let fraction = min(1, written / duration)
                guard fraction > reported else { continue }
                reported = fraction
                await progress(fraction)
            }
            return written
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
        ["Cannot allocate memory", "Resource temporarily unavailable", "malloc of size"].contains(
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
    static func input(_ path: String) -> [String] {
        let containers = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg"
        return ["-protocol_whitelist", "file", "-format_whitelist", containers, "-i", "file:\(path)"]
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
    static func encode(
        _ video: Video,
        at size: PixelSize,
        from source: String,
        to file: String,
        toneMaps: Bool,
        settings: MediaSettings
    ) -> [String] {
        let threads = ["-threads", "\(settings.videoThreads)"]
        let picture = filters(video, size, toneMaps: toneMaps, range: "tv", format: "yuv420p")
        var arguments = start(video) + threads + input(source) + tracks(video) + threads
        arguments += [
            "-vf", picture, "-c:v", "libx264", "-profile:v", "high", "-preset", settings.videoPreset.rawValue,
        ]
        arguments += ["-crf", "\(settings.videoCRF)", "-pix_fmt", "yuv420p", "-fpsmax", "60"]
        arguments += ["-c:a", "aac", "-b:a", "128k", "-ac", "2"]
        if video.hasHighSampleRate { arguments += ["-ar", "48000"] }
        return arguments + ["-movflags", "+faststart"] + mp4(file)
    }

    /// `poster`: the first key frame from `seconds` on; none if there is no more. Decoding only key frames makes it
    /// four times as quick as the frame at `seconds` would be.
    static func poster(
        _ video: Video,
        at size: PixelSize,
        seconds: Double,
        from source: String,
        to file: String,
        toneMaps: Bool
    ) -> [String] {
        let picture = filters(video, size, toneMaps: toneMaps, range: "pc", format: "yuvj420p")
        let seek = ["-ss", "\(seconds)", "-skip_frame", "nokey", "-threads", "1"]
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
    private static func tracks(_ video: Video) -> [String] {
        let sound = video.audioIndex.map { ["-map", "0:\($0)"] } ?? []
        return ["-map", "0:\(video.videoIndex)"] + sound + ["-map_metadata", "-1", "-map_chapters", "-1", "-sn", "-dn"]
    }

    private static func mp4(_ file: String) -> [String] {
        ["-max_muxing_queue_size", "4096", "-f", "mp4", "-y", "file:\(file)"]
    }

    private static func filters(
        _ video: Video,
        _ size: PixelSize,
        toneMaps: Bool,
        range: String,
        format: String
    ) -> String {
        var chain = video.isInterlaced ? ["yadif"] : []
        if let transfer = video.hdrTransfer, toneMaps {
            chain += [
                "scale=\(size.width):\(size.height)",
                "zscale=tin=\(transfer):pin=bt2020:min=bt2020nc:t=linear:npl=100",
                "format=gbrpf32le", "zscale=p=bt709", "tonemap=hable:desat=0", "zscale=t=bt709:m=bt709:r=\(range)",
            ]
        } else {
            chain.append("scale=\(size.width):\(size.height):out_range=\(range)")
        }
        return (chain + ["setsar=1", "format=\(format)"]).joined(separator: ",")
    }
}
