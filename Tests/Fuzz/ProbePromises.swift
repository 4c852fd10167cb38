@testable import MediaWorker

/// What is promised about ffprobe's answer. An input is its JSON.
enum ProbePromises {
    private static let limits = MediaSettings()
    private static let longest = limits.maximumVideoDuration / .seconds(1)
    /// More than a file can say in reason, in seconds, and nothing that is computed with it overflows.
    private static let latest = 1e10

    static func check(_ input: [UInt8]) throws(BrokenPromise) {
        guard let probe = try? VideoProbe(json: input) else { return }
        let video: Video
        do throws(MediaFailure) {
            video = try Video(probe, limits: limits)
        } catch {
            try require(error.isPermanent, "\(error) would be tried again")
            return
        }
        try checkNumbers(video)
        try checkSizes(video)
        for arguments in commands(video) { try check(arguments) }
    }

    private static func checkNumbers(_ video: Video) throws(BrokenPromise) {
        try require((video.duration ?? 1).isWithin(.leastNonzeroMagnitude...longest), "lasts \(video.duration ?? 0)")
        try require((video.pictureEnd ?? 0).isWithin(-latest...latest), "its picture ends at \(video.pictureEnd ?? 0)")
        try require(video.videoIndex >= 0, "its picture is track \(video.videoIndex)")
        try require((0...20_000_000).contains(video.samples ?? 0), "it has \(video.samples ?? 0) samples")
        try require(!video.isCut(at: video.duration ?? 1, isWhole: false), "whole, it is cut")
        guard let sound = video.sound else { return }
        try require(sound.index >= 0 && sound.channels > 0, "its sound is \(sound)")
        try require(sound.start.isWithin(0...latest), "its sound begins at \(sound.start)")
        try require((sound.end ?? 0).isWithin(-latest...latest), "its sound ends at \(sound.end ?? 0)")
    }

    private static func checkSizes(_ video: Video) throws(BrokenPromise) {
        for size in [video.size, video.turnedSize] {
            let isSize = size.shortSide > 0 && size.longSide <= Int(Int32.max)
            try require(isSize, "it is \(size)")
        }
        try require(video.turnedSize.area <= limits.maximumVideoPixels, "its frames are \(video.turnedSize)")
        for size in renditions(video) {
            let isEven = size.width % 2 == 0 && size.height % 2 == 0 && size.shortSide >= 2
            let isFitted = size.width <= max(2, video.size.width) && size.height <= max(2, video.size.height)
            try require(isEven && isFitted, "\(video.size) becomes \(size)")
        }
    }

    /// The sizes of `720p` and `poster`.
    private static func renditions(_ video: Video) -> [PixelSize] {
        [video.size.fitted(toShortSide: limits.videoHeight).even, video.size.fitted(toLongSide: 1920).even]
    }

    /// What may be run for it.
    private static func commands(_ video: Video) -> [[String]] {
        let size = renditions(video)[0]
        var commands = [FFmpegArguments.copy(video, from: "in", to: "out")]
        for (toneMaps, soundFile, holding) in [(false, nil, nil), (true, "sound", video.pictureEnd.map { $0 / 2 })] {
            commands.append(
                FFmpegArguments.encode(
                    video,
                    at: size,
                    from: "in",
                    to: "out",
                    toneMaps: toneMaps,
                    soundFile: soundFile,
                    holding: holding,
                    settings: limits
                )
            )
        }
        if let sound = video.sound { commands.append(FFmpegArguments.unpackedSound(sound, from: "in", to: "out")) }
        let moments = [FFmpegArguments.Moment.keyFrame(from: (video.duration ?? 10) / 10), .firstFrame]
        for moment in moments {
            commands.append(
                FFmpegArguments.poster(video, at: size, moment, from: "in", to: "out", toneMaps: false)
            )
        }
        return commands
    }

    /// Every number is one that ffmpeg reads: it knows no exponents in times.
    private static func check(_ arguments: [String]) throws(BrokenPromise) {
        for (option, value) in zip(arguments, arguments.dropFirst()) {
            switch option {
            case "-ss", "-itsoffset":
                try require(value.wholeMatch(of: /[0-9]+(\.[0-9]+)?(us)?/) != nil, "\(option) is \(value)")
            case "-moov_size":
                try require((0...Int(Int32.max)).contains(Int(value) ?? -1), "\(option) is \(value)")
            case "-map":
                try require(value.wholeMatch(of: /[01]:[0-9]+/) != nil, "\(option) is \(value)")
            case "-vf":
                try require(!value.contains("inf") && !value.contains("nan"), "\(option) is \(value)")
            default: continue
            }
        }
    }
}

extension Double {
    fileprivate func isWithin(_ range: ClosedRange<Double>) -> Bool { isFinite && range.contains(self) }
}
