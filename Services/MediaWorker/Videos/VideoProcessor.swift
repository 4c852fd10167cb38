import Blocking
import Foundation
import Logging
import Storage

/// Makes `720p` and `poster` of a video.
struct VideoProcessor: Sendable {
    private let ffmpeg: FFmpeg
    /// Read the boxes of files, which may wait for a disk.
    private let threads: BlockingThreads
    private let logger: Logger

    /// How many videos are processed at once is up to the caller. `logger` gets what ffmpeg says about the videos it
    /// cannot process.
    init(settings: MediaSettings, logger: Logger) {
        ffmpeg = FFmpeg(settings: settings, logger: logger)
        threads = BlockingThreads(name: "video", count: settings.videoSlots)
        self.logger = logger
    }

    /// Makes an MP4 that every browser plays, and a picture to show before it does.
    ///
    /// `720p` limits the short side, so a video held upright is 720 wide. A video that already is what would be made of
    /// it only gets a new container. Neither rendition keeps metadata. A cancelled task stops ffmpeg within about two
    /// seconds; nothing is left running when this returns. `workspace` is a directory of this attempt's own. `progress`
    /// gets 0…1 about twice a second while the video is encoded, never falling; nothing for a video of unknown length.
    ///
    /// A failure is permanent if the file is no video, is damaged, ends early or exceeds a limit; transient if the
    /// machine lacks something, ffmpeg was killed from outside, or the task was cancelled. That no frame can be shown by
    /// itself is no failure: there is no poster then.
    func process(
        source: String,
        workspace: String,
        progress: @escaping @Sendable (Double) async -> Void
    ) async throws(MediaFailure) -> ProcessedMedia {
        guard FileManager.default.isReadableFile(atPath: source) else { throw .sourceUnavailable }
        let video = try await ffmpeg.probe(source)
        let conversion = VideoConversion(
            video: video,
            boxes: video.isMovie ? await boxes(of: source) : nil,
            source: source,
            workspace: workspace,
            toneMaps: video.hdrTransfer == nil ? false : try await ffmpeg.canToneMap(),
            ffmpeg: ffmpeg
        )
        async let poster = conversion.makePoster()
        let (playable, seconds) = try await conversion.makePlayable(progress: progress)
        var renditions = [playable]
        do {
            renditions.append(try await poster.get())
        } catch {
            guard error.isPermanent else { throw error }
            logger.notice("A video has no poster", metadata: ["code": "\(error.code)"])
        }
        return ProcessedMedia(size: video.size, durationSeconds: video.duration ?? seconds, renditions: renditions)
    }

    /// Nil also for a file that cannot be read: ffmpeg, which opens it next, says so.
    private func boxes(of source: String) async -> MovieBoxes? {
        await threads.run { try? MovieBoxes(path: source) }
    }
}

/// One video on its way to its renditions.
private struct VideoConversion: Sendable {
    /// A last frame that stays longer than this, in seconds, is held in `720p` too: ffmpeg leaves out how long it stays.
    private static let longFrame = 1.0

    let video: Video
    /// Nil for what is no movie of boxes.
    let boxes: MovieBoxes?
    let source: String
    let workspace: String
    let toneMaps: Bool
    let ffmpeg: FFmpeg

    /// Makes `720p`, and gives the seconds it runs; one that is shorter than the video is an error. `progress` gets 0…1
    /// while the video is encoded; copying its tracks is too quick to report.
    func makePlayable(
        progress: @escaping @Sendable (Double) async -> Void
    ) async throws(MediaFailure) -> (rendition: MadeRendition, seconds: Double) {
        let settings = ffmpeg.settings
        let file = "\(workspace)/720p.mp4"
        var size = video.size
        if try await !copy(to: file) {
            size = size.fitted(toShortSide: settings.videoHeight).even
            let arguments = FFmpegArguments.encode(
                video,
                at: size,
                from: source,
                to: file,
                toneMaps: toneMaps,
                soundFile: try await unpackSound(),
                holding: lastFrameSeconds,
                settings: settings
            )
            try await ffmpeg.convert(arguments, duration: video.duration, progress: progress)
        }
        let seconds = try await ffmpeg.seconds(of: file)
        guard seconds > 0 else { throw .emptyVideo }
        guard !video.isCut(at: seconds, isWhole: boxes?.isWhole ?? false) else { throw .incompleteVideo }
        guard seconds <= settings.maximumVideoDuration / .seconds(1) + 1 else {
            throw .videoTooLong(settings.maximumVideoDuration)
        }
        return (MadeRendition(name: "720p", file: file, contentType: "video/mp4", size: size), seconds)
    }

    /// Puts the video's own tracks into a new container; false if they have to be encoded. Tracks that look right
    /// and cannot be copied are encoded too, which tells better than copying whether the video is damaged.
    private func copy(to file: String) async throws(MediaFailure) -> Bool {
        guard video.isPlayableAsIs, video.size.shortSide <= ffmpeg.settings.videoHeight, !isSpecial else {
            return false
        }
        do {
            try await ffmpeg.convert(FFmpegArguments.copy(video, from: source, to: file))
            return true
        } catch {
            guard error == .unreadableVideo else { throw error }
            return false
        }
    }

    /// Whether a copy of its tracks would not show what the video shows.
    private var isSpecial: Bool {
        guard video.isMovie else { return false }
        guard let boxes else { return true }
        return boxes.changesCoding || boxes.isSpliced || lastFrameSeconds != nil
    }

    /// How long the last frame stays, if that is long and no sound goes on with it.
    private var lastFrameSeconds: Double? {
        guard let seconds = boxes?.lastFrameSeconds, seconds > Self.longFrame, let end = video.pictureEnd,
            seconds < end, end >= (video.duration ?? end) - 0.1, video.sound == nil || isSilentAtEnd
        else { return nil }
        return seconds
    }

    private var isSilentAtEnd: Bool { (video.sound?.end ?? .infinity) < (video.pictureEnd ?? 0) - Self.longFrame }

    /// The sound in a file of its own, if ffmpeg would lose most of it where it is.
    private func unpackSound() async throws(MediaFailure) -> String? {
        guard let sound = video.sound, sound.isPackedAMR else { return nil }
        let file = "\(workspace)/sound.amr"
        try await ffmpeg.convert(FFmpegArguments.unpackedSound(sound, from: source, to: file))
        return file
    }

    /// Makes `poster` of a frame after the first tenth of the video, or of its first frame. A failure is returned, not
    /// thrown.
    func makePoster() async -> Result<MadeRendition, MediaFailure> {
        let file = "\(workspace)/poster.jpg"
        let size = video.size.fitted(toLongSide: 1920).even
        let moments = [
            FFmpegArguments.Moment.keyFrame(from: (video.duration ?? 10) / 10), .keyFrame(from: 0), .firstFrame,
        ]
        do throws(MediaFailure) {
            for moment in moments {
                try await ffmpeg.convert(
                    FFmpegArguments.poster(video, at: size, moment, from: source, to: file, toneMaps: toneMaps)
                )
                guard FileManager.default.fileExists(atPath: file) else { continue }
                return .success(MadeRendition(name: "poster", file: file, contentType: "image/jpeg", size: size))
            }
            return .failure(.unreadableVideo)
        } catch {
            return .failure(error)
        }
    }
}
