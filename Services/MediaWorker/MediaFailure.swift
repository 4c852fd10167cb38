import Glibc

/// Why no renditions could be made. Every reason is here, with its code and its words.
struct MediaFailure: Error, Hashable {
    /// For the person who uploaded the file: one sentence that says what is wrong or what to do, without paths.
    let reason: String
    /// Stable, for programs and metrics.
    let code: String
    /// True when trying the same file again would end the same way.
    let isPermanent: Bool

    /// The file itself is the reason.
    private static func permanent(_ code: String, _ reason: String) -> MediaFailure {
        MediaFailure(reason: reason, code: code, isPermanent: true)
    }

    /// The machine is the reason; a later attempt may succeed.
    private static func transient(_ code: String, _ reason: String) -> MediaFailure {
        MediaFailure(reason: reason, code: code, isPermanent: false)
    }

    /// The task was cancelled: the lease is lost or the process stops.
    static let stopped = transient("stopped", "The processing was interrupted.")
    /// The original is not where its row says, or cannot be opened.
    static let sourceUnavailable = transient(
        "source_unavailable",
        "The original file cannot be opened on the server."
    )
    /// The disk under the workspace is full.
    static let noSpace = transient("no_space", "The server's disk is full.")

    static func cannotWrite(errno: Int32) -> MediaFailure {
        if [ENOSPC, EDQUOT].contains(errno) { return .noSpace }
        return transient("cannot_write", "The server could not store the result.")
    }
}

// MARK: - Images

extension MediaFailure {
    static let imageLibraryUnavailable = transient(
        "image_library",
        "Pictures cannot be processed on this server now."
    )
    static let unsupportedImage = permanent(
        "unsupported_image",
        "This is no picture of a kind that can be shown, or it is damaged."
    )
    static let damagedImage = permanent("damaged_image", "This picture is damaged or incomplete; upload it again.")

    static let rawImage = permanent(
        "raw_image",
        "This is a camera's raw picture without a preview to show; upload it as JPEG or HEIC."
    )
    static let imageTimeout = permanent(
        "image_timeout",
        "Reading this picture takes too long; upload a smaller one or a JPEG."
    )
    static let imageTooDemanding = permanent(
        "image_too_demanding",
        "Reading this picture takes more memory than a picture may have; upload a smaller one or a JPEG."
    )
    static let decoderKilled = transient("decoder_killed", "The server had no memory left to read this picture.")

    static func imageTooLarge(_ limit: Int64) -> MediaFailure {
        permanent(
            "image_too_large",
            "This picture takes more than \(limit >> 20) MiB when it is opened; upload a smaller one or a JPEG."
        )
    }

    static func tooManyPixels(_ limit: Int) -> MediaFailure {
        let size = limit < 1_000_000 ? "\(limit) pixels" : "\(limit / 1_000_000) megapixels"
        return permanent("too_many_pixels", "This picture has more than \(size); upload a smaller one.")
    }

    static func tooManyFrames(_ limit: Int) -> MediaFailure {
        permanent("too_many_frames", "This animation has more than \(limit) frames; upload a shorter one.")
    }
}

// MARK: - Videos

extension MediaFailure {
    static let videoToolUnavailable = transient(
        "tool_unavailable",
        "Videos cannot be processed on this server now."
    )
    static let noVideoStream = permanent("no_video_stream", "There is no picture in this file, only sound.")
    static let emptyVideo = permanent("empty_video", "This video has no length; record or upload it again.")
    static let unreadableVideo = permanent(
        "unreadable_video",
        "This video is damaged, incomplete or of a kind that cannot be read; record or upload it again."
    )
    static let incompleteVideo = permanent("incomplete_video", "This video ends before its time; upload it again.")
    static let tooManyVideoPixels = permanent("too_many_pixels", "This video's picture is too large to be processed.")
    static let videoTimeout = permanent(
        "video_timeout",
        "Processing this video takes too long; upload a shorter one."
    )
    static let videoTooDemanding = permanent(
        "video_too_demanding",
        "Processing this video takes more memory or disk than a video may have; upload a smaller one."
    )

    static func videoTooLong(_ limit: Duration) -> MediaFailure {
        let seconds = limit.components.seconds
        let length = seconds < 120 ? "\(seconds) seconds" : "\(seconds / 60) minutes"
        return permanent("video_too_long", "This video is longer than \(length); upload a shorter one.")
    }
}
