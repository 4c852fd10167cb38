import Foundation
import Logging
import Subprocess

/// ffprobe and ffmpeg as this worker runs them.
struct FilmTools: Sendable {
    let settings: MediaSettings
    let logger: Logger

    /// Finds out what a file is.
    func probe(_ path: String) async throws(MediaFailure) -> Film {
        let limit = 1 << 20
        let json = try await run("ffprobe", FilmProbe.arguments(for: path), within: .seconds(60)) { output in
            var bytes: [UInt8] = []
            for try await buffer in output where bytes.count <= limit {
                buffer.withUnsafeBytes { bytes.append(contentsOf: $0) }
            }
            return bytes
        }
        let probe: FilmProbe
        do {
            probe = try FilmProbe(json: json)
        } catch {
            logger.info("ffprobe's answer makes no sense", metadata: ["error": "\(error)", "bytes": "\(json.count)"])
            throw .unreadableFilm
        }
        return try Film(probe, limits: settings)
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

    /// Runs ffmpeg to its end.
    ///
    /// - Parameters:
    ///   - arguments: From `FFmpeg`.
    ///   - progress: Reads what `-progress` writes.
    /// - Returns: How many seconds of film were written.
    /// - Throws: `MediaFailure` if it did not succeed.
    func convert(_ arguments: [String], progress: FilmProgress) async throws(MediaFailure) -> Double {
        try await run("ffmpeg", arguments, within: settings.videoTimeout, read: progress.follow)
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
        switch ending {
        case .exited(code: 0, let output, let errors) where !MediaFailure.isDiskFull(errors):
            return output
        default:
            let failure = MediaFailure(ending)
            logger.log(
                level: failure == .stopped ? .debug : .info,
                "a film could not be processed",
                metadata: ["tool": "\(tool)", "code": "\(failure.code)", "ending": "\(ending)"]
            )
            throw failure
        }
    }
}
