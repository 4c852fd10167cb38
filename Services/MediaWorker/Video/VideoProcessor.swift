import Foundation
import Logging

/// Makes `720p` and `poster` of a film.
struct VideoProcessor: Sendable {
    /// What a film gave.
    struct Output: Sendable {
        /// Pixels of the original, as shown.
        let width: Int
        /// Pixels of the original, as shown.
        let height: Int
        /// Its length.
        let durationSeconds: Double
        /// `720p` and `poster`.
        let renditions: [MadeRendition]
    }

    private let tools: FilmTools

    /// Makes the value; nothing runs yet.
    ///
    /// - Parameters:
    ///   - settings: Quality and limits. How many films are processed at once is up to the caller.
    ///   - logger: Gets what ffmpeg says about the films it cannot process.
    init(settings: MediaSettings, logger: Logger) {
        tools = FilmTools(settings: settings, logger: logger)
    }

    /// Makes an MP4 that every browser plays, and a picture to show before it does.
    ///
    /// `720p` limits the short side, so a film held upright is 720 wide. A film that already is what would be
    /// made of it only gets a new container. Neither rendition keeps metadata. A cancelled task stops ffmpeg
    /// within about two seconds; nothing is left running when this returns.
    ///
    /// - Parameters:
    ///   - source: The original's path. Its name is ignored.
    ///   - workspace: A directory of this attempt's own.
    ///   - progress: Gets 0…1 about twice a second while the film is encoded, never falling; nothing for a film
    ///     that does not tell its length.
    /// - Returns: The original's size as shown, its length, and the two files.
    /// - Throws: A permanent failure if the file is no film, is damaged, ends early or exceeds a limit; a transient
    ///   one if the machine lacks something, ffmpeg was killed from outside, or the task was cancelled.
    func process(
        source: String,
        workspace: String,
        progress: @escaping @Sendable (Double) async -> Void
    ) async throws(MediaFailure) -> Output {
        guard FileManager.default.isReadableFile(atPath: source) else { throw .sourceUnavailable }
        let film = try await tools.probe(source)
        let conversion = FilmConversion(
            film: film,
            source: source,
            workspace: workspace,
            toneMaps: film.hdrTransfer == nil ? false : try await tools.canToneMap(),
            tools: tools
        )
        async let poster = conversion.poster()
        let (movie, seconds) = try await conversion.movie(progress: progress)
        return Output(
            width: film.size.width,
            height: film.size.height,
            durationSeconds: film.duration ?? seconds,
            renditions: [movie, try await poster.get()]
        )
    }
}
