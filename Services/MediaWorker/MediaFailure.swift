/// Why no renditions could be made.
struct MediaFailure: Error, Hashable {
    /// For the person who uploaded the file: one sentence that says what is wrong or what to do, without paths.
    let reason: String
    /// Stable, for programs and metrics.
    let code: String
    /// True when trying the same file again would end the same way.
    let isPermanent: Bool

    /// The file itself is the reason.
    static func permanent(_ code: String, _ reason: String) -> MediaFailure {
        MediaFailure(reason: reason, code: code, isPermanent: true)
    }

    /// The machine is the reason; a later attempt may succeed.
    static func transient(_ code: String, _ reason: String) -> MediaFailure {
        MediaFailure(reason: reason, code: code, isPermanent: false)
    }

    /// The task was cancelled: the lease is lost or the process stops.
    static let stopped = transient("stopped", "The processing was interrupted; it will be tried again.")

    /// The original is not where its row says, or cannot be opened.
    static let sourceUnavailable = transient(
        "source_unavailable",
        "The original file cannot be opened now; it will be tried again."
    )

    /// The disk under the workspace is full.
    static let noSpace = transient("no_space", "The server's disk is full; the file will be tried again.")
}
