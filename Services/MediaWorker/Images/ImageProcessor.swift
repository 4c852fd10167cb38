import Blocking
import CVips
import Foundation
import Logging
import Synchronization

/// Makes `compressed` and `thumbnail` of a photo.
struct ImageProcessor: Sendable {
    /// What a photo gave.
    struct Output: Sendable {
        /// Pixels of the original, as shown.
        let width: Int
        /// Pixels of the original, as shown.
        let height: Int
        /// `compressed` and `thumbnail`.
        let renditions: [MadeRendition]
    }

    private let settings: MediaSettings
    private let logger: Logger
    private let threads: BlockingThreads
    private let heavyTurn = Turn()

    /// Starts libvips and a thread for each slot.
    ///
    /// - Parameters:
    ///   - settings: Slots, sizes and limits.
    ///   - logger: Gets what libvips says about the files it cannot read.
    /// - Throws: `MediaFailure` if libvips cannot start, which only a broken installation does.
    init(settings: MediaSettings, logger: Logger) throws(MediaFailure) {
        try ImageLibrary.start(slots: settings.imageSlots)
        self.settings = settings
        self.logger = logger
        threads = BlockingThreads(name: "image", count: settings.imageSlots) { vips_thread_shutdown() }
    }

    /// Decodes a photo once for both renditions: upright, in sRGB, on white, without metadata, never enlarged.
    ///
    /// Pictures whose decoding needs much memory take turns on their threads: the process never holds two of
    /// them. A picture already begun is finished even if the task is cancelled; with the default limits that
    /// takes a few seconds.
    ///
    /// - Parameters:
    ///   - source: The original's path. Its name is ignored.
    ///   - workspace: A directory of this attempt's own.
    /// - Returns: The original's size as shown, and the two JPEG files.
    /// - Throws: A permanent failure if the file is no picture, is damaged, ends early or exceeds a limit; a
    ///   transient one if it cannot be opened, the disk is full, or the task was cancelled before its turn.
    func process(source: String, workspace: String) async throws(MediaFailure) -> Output {
        guard !Task.isCancelled else { throw .stopped }
        do {
            return try await threads.run { [settings, heavyTurn] () throws(MediaFailure) in
                let photo = try Photo(source, limits: settings)
                guard photo.isHeavy else { return try photo.makeRenditions(in: workspace, settings: settings) }
                return try heavyTurn.lock.withLock { _ throws(MediaFailure) in
                    try photo.makeRenditions(in: workspace, settings: settings)
                }
            }
        } catch {
            logger.info(
                "a picture could not be processed",
                metadata: ["code": "\(error.code)", "libvips": "\(ImageLibrary.takeMessages())"]
            )
            throw error
        }
    }
}

/// What one thread at a time may hold.
private final class Turn: Sendable {
    let lock = Mutex(())
}
