/// ffmpeg's command lines.
enum FFmpeg {
    /// Opens one local file and nothing it points to: a playlist named `.mp4` would be followed otherwise,
    /// even to other local files.
    static func input(_ path: String) -> [String] {
        let containers = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg"
        return ["-protocol_whitelist", "file", "-format_whitelist", containers, "-i", "file:\(path)"]
    }

    /// `720p` with the film's own tracks: only the container is new.
    static func copy(_ film: Film, from source: String, to file: String) -> [String] {
        // Room for the index ahead of the film, where it is wanted, saves writing the film twice. No sample takes
        // more than 44 bytes of index.
        let index = film.samples.map { ["-moov_size", "\(8192 + 48 * $0)"] } ?? ["-movflags", "+faststart"]
        return start(film) + input(source) + tracks(film) + ["-c", "copy"] + index + movie(file)
    }

    /// `720p` encoded at `size`, whose sides must be even. Without tone mapping a film in high dynamic range
    /// comes out pale.
    static func encode(
        _ film: Film,
        at size: PixelSize,
        from source: String,
        to file: String,
        toneMaps: Bool,
        settings: MediaSettings
    ) -> [String] {
        let threads = ["-threads", "\(settings.videoThreads)"]
        let picture = filters(film, size, toneMaps: toneMaps, range: "tv", format: "yuv420p")
        var arguments = start(film) + threads + input(source) + tracks(film) + threads
        arguments += [
            "-vf", picture, "-c:v", "libx264", "-profile:v", "high", "-preset", settings.videoPreset.rawValue,
        ]
        arguments += ["-crf", "\(settings.videoCRF)", "-pix_fmt", "yuv420p", "-fpsmax", "60"]
        arguments += ["-c:a", "aac", "-b:a", "128k", "-ac", "2"]
        if film.hasHighSampleRate { arguments += ["-ar", "48000"] }
        return arguments + ["-movflags", "+faststart"] + movie(file)
    }

    /// `poster`: the first key frame from `seconds` on; none if there is no more. Decoding only key frames makes it
    /// four times as quick as the frame at `seconds` would be.
    static func poster(
        _ film: Film,
        at size: PixelSize,
        seconds: Double,
        from source: String,
        to file: String,
        toneMaps: Bool
    ) -> [String] {
        let picture = filters(film, size, toneMaps: toneMaps, range: "pc", format: "yuvj420p")
        let seek = ["-ss", "\(seconds)", "-skip_frame", "nokey", "-threads", "1"]
        let output = ["-map", "0:\(film.videoIndex)", "-map_metadata", "-1", "-vf", picture, "-frames:v", "1"]
        // On mjpeg's scale of 2 to 31, 4 is about what libjpeg calls 85.
        return ["-v", "error", "-nostdin"] + seek + input(source) + output
            + ["-c:v", "mjpeg", "-q:v", "4", "-f", "image2", "-update", "1", "-y", "file:\(file)"]
    }

    private static func start(_ film: Film) -> [String] {
        // A film that ends early makes ffmpeg exit 0 without these.
        let strictness = film.isStrict ? ["-xerror", "-err_detect", "explode"] : []
        return ["-v", "error", "-nostdin", "-nostats", "-progress", "pipe:1", "-stats_period", "0.5"] + strictness
    }

    /// Picture and sound and nothing else: no location, titles, chapters, subtitles or data tracks.
    private static func tracks(_ film: Film) -> [String] {
        let sound = film.audioIndex.map { ["-map", "0:\($0)"] } ?? []
        return ["-map", "0:\(film.videoIndex)"] + sound + ["-map_metadata", "-1", "-map_chapters", "-1", "-sn", "-dn"]
    }

    private static func movie(_ file: String) -> [String] {
        ["-max_muxing_queue_size", "4096", "-f", "mp4", "-y", "file:\(file)"]
    }

    private static func filters(
        _ film: Film,
        _ size: PixelSize,
        toneMaps: Bool,
        range: String,
        format: String
    ) -> String {
        var chain = film.isInterlaced ? ["yadif"] : []
        if let transfer = film.hdrTransfer, toneMaps {
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
