import Foundation

extension MediaFailure {
    static let noPicture = permanent("no_video_stream", "There is no picture in this file, only sound.")
    static let emptyFilm = permanent("empty_video", "This film has no length; record or upload it again.")
    static let unreadableFilm = permanent(
        "unreadable_video",
        "This film is damaged, incomplete or of a kind that cannot be read; record or upload it again."
    )
    static let incompleteFilm = permanent("incomplete_video", "This film ends before its time; upload it again.")
    static let tooManyVideoPixels = permanent("too_many_pixels", "This film's picture is too large to be processed.")
    static let overdueFilm = permanent("video_timeout", "Processing this film takes too long; upload a shorter one.")
    static let demandingFilm = permanent(
        "video_too_demanding",
        "Processing this film takes more memory or disk than a film may have; upload a smaller one."
    )
    static let toolUnavailable = transient("tool_unavailable", "Films cannot be processed on this server now.")

    static func tooLong(_ limit: Duration) -> MediaFailure {
        let seconds = limit.components.seconds
        let length = seconds < 120 ? "\(seconds) seconds" : "\(seconds / 60) minutes"
        return permanent("video_too_long", "This film is longer than \(length); upload a shorter one.")
    }

    /// Why a run of ffmpeg or ffprobe gave no result.
    ///
    /// They have one exit code for most of what can go wrong. What the machine lacked stands only in their
    /// messages, in the C library's fixed words.
    init<Output>(_ ending: LimitedProcess.Ending<Output>) {
        self =
            switch ending {
            case .stopped: .stopped
            case .overdue: .overdueFilm
            case .broken: .toolUnavailable
            case .signaled(SIGXFSZ, _), .signaled(SIGXCPU, _): .demandingFilm
            case .signaled(SIGSEGV, _), .signaled(SIGABRT, _), .signaled(SIGBUS, _), .signaled(SIGILL, _),
                .signaled(SIGFPE, _):
                .unreadableFilm
            case .signaled: .stopped
            case .exited(_, _, let errors) where Self.isDiskFull(errors): .noSpace
            case .exited(126...127, _, _): .toolUnavailable
            // ffmpeg's way to say that a signal made it stop.
            case .exited(255, _, _): .stopped
            case .exited(_, _, let errors) where Self.isOutOfMemory(errors): .demandingFilm
            case .exited: .unreadableFilm
            }
    }

    /// In the words of the C library for memory and for threads, which also need it, and in those of x264.
    private static func isOutOfMemory(_ errors: String) -> Bool {
        ["Cannot allocate memory", "Resource temporarily unavailable", "malloc of size"].contains(
            where: errors.contains
        )
    }

    /// A write that failed may come with any exit code, success included.
    static func isDiskFull(_ errors: String) -> Bool {
        errors.contains("No space left on device")
    }
}
