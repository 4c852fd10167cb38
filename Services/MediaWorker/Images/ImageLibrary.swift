import CVips
import Logging

/// libvips, set up once for the whole process.
enum ImageLibrary {
    private static let logger = Logger(label: "libvips")

    private static let started: Bool = {
        guard vips_init("tolva-media-worker") == 0 else { return false }
        // Its warnings would otherwise stand between the lines of the log.
        g_log_set_handler("VIPS", G_LOG_LEVEL_WARNING, { _, _, message, _ in report(message) }, nil)
        vips_block_untrusted_set(1)
        vips_cache_set_max(0)
        return true
    }()

    /// Starts libvips: loaders of untrusted formats blocked, no operation cache, one thread a picture.
    ///
    /// A thread a picture, because decoding is most of the work and cannot be split: slots use the cores
    /// better than threads within a picture do, and each extra thread holds buffers of its own.
    ///
    /// - Parameter slots: Pictures processed at once.
    /// - Throws: `MediaFailure` if libvips cannot start, which only a broken installation does.
    static func start(slots: Int) throws(MediaFailure) {
        cvips_bound_malloc(Int32(max(2, slots)))
        guard started else {
            throw .transient("image_library", "Pictures cannot be processed on this server now.")
        }
        vips_concurrency_set(1)
    }

    /// What libvips said since the last call, for the log. One buffer serves all threads, so beside other
    /// pictures it may hold their words too: never decide by it.
    static func takeMessages() -> String {
        guard let buffer = vips_error_buffer_copy() else { return "" }
        defer { g_free(buffer) }
        return String(cString: buffer).split(separator: "\n").joined(separator: "; ")
    }

    private static func report(_ message: UnsafePointer<CChar>?) {
        guard let message else { return }
        logger.debug("libvips warns", metadata: ["warning": "\(String(cString: message))"])
    }
}
