import Subprocess

/// Follows what `ffmpeg -progress` writes, about twice a second.
struct FilmProgress: Sendable {
    /// Seconds of film in the result; nil if unknown, and progress stays unknown too.
    let duration: Double?
    /// Gets 0…1, never falling.
    let report: @Sendable (Double) async -> Void

    /// Reads to the end.
    ///
    /// - Parameter output: ffmpeg's standard output.
    /// - Returns: How many seconds of film were written.
    /// - Throws: An error of the pipe.
    @Sendable
    func follow(_ output: SubprocessOutputSequence) async throws -> Double {
        var written = 0.0
        var reported = 0.0
        for try await line in output.strings() {
            guard line.hasPrefix("out_time_us="), let microseconds = Double(line.dropFirst(12)) else { continue }
            written = max(written, microseconds / 1e6)
            guard let duration, duration > 0 else { continue }
            let fraction = min(1, written / duration)
            guard fraction > reported else { continue }
            reported = fraction
            await report(fraction)
        }
        return written
    }
}
