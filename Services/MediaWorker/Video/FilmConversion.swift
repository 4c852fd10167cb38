import Foundation

/// One film on its way to its renditions.
struct FilmConversion: Sendable {
    let film: Film
    let source: String
    let workspace: String
    let toneMaps: Bool
    let tools: FilmTools

    /// Makes `720p`.
    ///
    /// - Parameter progress: Gets 0…1 while the film is encoded; copying its tracks is too quick to report.
    /// - Returns: The rendition, and how many seconds it runs.
    /// - Throws: `MediaFailure` if it could not be made, or is shorter than the film.
    func movie(
        progress: @escaping @Sendable (Double) async -> Void
    ) async throws(MediaFailure) -> (rendition: MadeRendition, seconds: Double) {
        let settings = tools.settings
        let file = "\(workspace)/720p.mp4"
        var size = film.size
        let seconds: Double
        if let copied = try await copy(to: file) {
            seconds = copied
        } else {
            size = size.fitted(toShortSide: settings.videoHeight).even
            seconds = try await tools.convert(
                FFmpeg.encode(film, at: size, from: source, to: file, toneMaps: toneMaps, settings: settings),
                progress: FilmProgress(duration: film.duration, report: progress)
            )
        }
        guard seconds > 0 else { throw .emptyFilm }
        guard !film.isCut(at: seconds) else { throw .incompleteFilm }
        guard seconds <= settings.maximumVideoDuration / .seconds(1) + 1 else {
            throw .tooLong(settings.maximumVideoDuration)
        }
        return (MadeRendition(name: "720p", file: file, contentType: "video/mp4", size: size), seconds)
    }

    /// Puts the film's own tracks into a new container; nil if they have to be encoded. Tracks that look right
    /// and cannot be copied are encoded too, which tells better than copying whether the film is damaged.
    private func copy(to file: String) async throws(MediaFailure) -> Double? {
        guard film.isPlayableAsIs, film.size.shortSide <= tools.settings.videoHeight else { return nil }
        do {
            return try await tools.convert(
                FFmpeg.copy(film, from: source, to: file),
                progress: FilmProgress(duration: nil) { _ in }
            )
        } catch {
            guard error == .unreadableFilm else { throw error }
            return nil
        }
    }

    /// Makes `poster` of a frame after the first tenth of the film, or of its first frame.
    ///
    /// - Returns: The rendition, or why there is none.
    func poster() async -> Result<MadeRendition, MediaFailure> {
        let file = "\(workspace)/poster.jpg"
        let size = film.size.fitted(toLongSide: 1920).even
        do {
            for seconds in [(film.duration ?? 10) / 10, 0] {
                _ = try await tools.convert(
                    FFmpeg.poster(film, at: size, seconds: seconds, from: source, to: file, toneMaps: toneMaps),
                    progress: FilmProgress(duration: nil) { _ in }
                )
                // That no key frame was left to show is no error to ffmpeg.
                guard FileManager.default.fileExists(atPath: file) else { continue }
                return .success(MadeRendition(name: "poster", file: file, contentType: "image/jpeg", size: size))
            }
            return .failure(.unreadableFilm)
        } catch {
            return .failure(error)
        }
    }
}
