import Foundation
import Logging

/// Makes `720p` and `poster` of a video.
struct VideoProcessor: Sendable {
    private let ffmpeg: FFmpeg

    /// How many videos are processed at once is up to the caller. `logger` gets what ffmpeg says about the videos it
    /// cannot process.
    init(settings: MediaSettings, logger: Logger) {
        ffmpeg = FFmpeg(settings: settings, logger: logger)
    }

    /// Makes an MP4 that every browser plays, and a picture to show before it does.
    ///
    /// `720p` limits the short side, so a video held upright is 720 wide. A video that already is what would be made of
    /// it only gets a new container. Neither rendition keeps metadata. A cancelled task stops ffmpeg within about two
    /// seconds; nothing is left running when this returns. `workspace` is a directory of this attempt's own. `progress`
    /// gets 0…1 about twice a second while the video is encoded, never falling; nothing for a video of unknown length.
    ///
    /// A failure is permanent if the file is no video, is damaged, ends early or exceeds a limit; transient if the
    /// machine lacks something, ffmpeg was killed from outside, or the task was cancelled.
    func process(
        source: String,
        workspace: String,
        progress: @escaping @Sendable (Double) async -> Void
    ) async throws(MediaFailure) -> ProcessedMedia {
        guard FileManager.default.isReadableFile(atPath: source) else { throw .sourceUnavailable }
        let video = try await ffmpeg.probe(source)
        let conversion = VideoConversion(
            video: video,
            source: source,
            workspace: workspace,
            toneMaps: video.hdrTransfer == nil ? false : try await ffmpeg.canToneMap(),
            ffmpeg: ffmpeg
        )
        async let poster = conversion.makePoster()
        let (playable, seconds) = try await conversion.makePlayable(progress: progress)
        return ProcessedMedia(
            size: video.size,
            durationSeconds: video.duration ?? seconds,
            renditions: [playable, try await poster.get()]
        )
    }
}

/// One video on its way to its renditions.
private struct VideoConversion: Sendable {
    let video: Video
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
        let seconds: Double
        if let copied = try await copy(to: file) {
            seconds = copied
        } else {
            size = size.fitted(toShortSide: settings.videoHeight).even
            let arguments = FFmpegArguments.encode(
                video,
                at: size,
                from: source,
                to: file,
                toneMaps: toneMaps,
                settings: settings
            )
            seconds = try await ffmpeg.convert(arguments, duration: video.duration, progress: progress)
        }
        guard seconds > 0 else { throw .emptyVideo }
        guard !video.isCut(at: seconds) else { throw .incompleteVideo }
        guard seconds <= settings.maximumVideoDuration / .seconds(1) + 1 else {
            throw .videoTooLong(settings.maximumVideoDuration)
        }
        return (MadeRendition(name: "720p", file: file, contentType: "video/mp4", size: size), seconds)
    }

    /// Puts the video's own tracks into a new container; nil if they have to be encoded. Tracks that look right
    /// and cannot be copied are encoded too, which tells better than copying whether the video is damaged.
    private func copy(to file: String) async throws(MediaFailure) -> Double? {
        guard video.isPlayableAsIs, video.size.shortSide <= ffmpeg.settings.videoHeight else { return nil }
        do {
            return try await ffmpeg.convert(FFmpegArguments.copy(video, from: source, to: file))
        } catch {
            guard error == .unreadableVideo else { throw error }
            return nil
        }
    }

    /// Makes `poster` of a frame after the first tenth of the video, or of its first frame. A failure is returned, not
    /// thrown.
    func makePoster() async -> Result<MadeRendition, MediaFailure> {
        let file = "\(workspace)/poster.jpg"
        let size = video.size.fitted(toLongSide: 1920).even
        do {
            for seconds in [(video.duration ?? 10) / 10, 0] {
                _ = try await ffmpeg.convert(
                    FFmpegArguments.poster(
                        video,
                        at: size,
                        seconds: seconds,
                        from: source,
                        to: file,
                        toneMaps: toneMaps
                    )
                )
                // That no key frame was left to show is no error to ffmpeg.
                guard FileManager.default.fileExists(atPath: file) else { continue }
                return .success(MadeRendition(name: "poster", file: file, contentType: "image/jpeg", size: size))
            }
            return .failure(.unreadableVideo)
        } catch {
            return .failure(error)
        }
    }
}
