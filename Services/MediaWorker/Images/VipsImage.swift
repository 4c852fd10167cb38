import CVips
import Foundation
import Logging

/// libvips, set up once for the whole process.
enum VipsLibrary {
    private static let logger = Logger(label: "libvips")

    private static let started: Bool = {
        guard vips_init("tolva-media-worker") == 0 else { return false }
        // Its warnings would otherwise stand between the lines of the log.
        g_log_set_handler("VIPS", G_LOG_LEVEL_WARNING, { _, _, message, _ in log(warning: message) }, nil)
        vips_block_untrusted_set(1)
        vips_cache_set_max(0)
        return true
    }()

    /// Starts libvips: loaders of untrusted formats blocked, no operation cache, one thread an image. False if it
    /// cannot start.
    ///
    /// A thread an image, because decoding is most of the work and cannot be split: slots use the cores
    /// better than threads within an image do, and each extra thread holds buffers of its own.
    static func start(slots: Int) -> Bool {
        cvips_bound_malloc(Int32(max(2, slots)))
        guard started else { return false }
        vips_concurrency_set(1)
        return true
    }

    /// What libvips said since the last call, for the log. One buffer serves all threads, so beside other
    /// images it may hold their words too: never decide by it.
    static func takeMessages() -> String {
        guard let buffer = vips_error_buffer_copy() else { return "" }
        defer { g_free(buffer) }
        return String(cString: buffer).split(separator: "\n").joined(separator: "; ")
    }

    private static func log(warning: UnsafePointer<CChar>?) {
        guard let warning else { return }
        logger.debug("libvips warns", metadata: ["warning": "\(String(cString: warning))"])
    }
}

/// A file open for libvips, which goes by its bytes and never by its name.
struct ImageFile: ~Copyable {
    /// What an image may arrive as: the loaders of libvips that are used, by class.
    enum Format: String {
        case jpeg = "VipsForeignLoadJpegSource"
        case png = "VipsForeignLoadPngSource"
        case webp = "VipsForeignLoadWebpSource"
        case gif = "VipsForeignLoadNsgifSource"
        case tiff = "VipsForeignLoadTiffSource"
        case heif = "VipsForeignLoadHeifSource"
    }

    fileprivate let source: UnsafeMutablePointer<VipsSource>

    /// Nil if the file cannot be opened.
    init?(_ path: String) {
        guard let opened = vips_source_new_from_file(path) else { return nil }
        source = opened
    }

    deinit { g_object_unref(source) }

    /// Nil for anything else libvips might read.
    var format: Format? {
        guard let loader = vips_foreign_find_load_source(source) else { return nil }
        return Format(rawValue: String(cString: loader))
    }
}

/// An image of libvips: a recipe that is followed when its pixels are asked for.
///
/// Not `Sendable`: it lives and dies on one thread of the image pool.
final class VipsImage {
    /// libvips could not do it; `VipsLibrary.takeMessages()` may tell why.
    struct Failure: Error {}

    private let image: UnsafeMutablePointer<CVips.VipsImage>

    private init(_ made: UnsafeMutablePointer<CVips.VipsImage>?) throws(Failure) {
        guard let made else { throw Failure() }
        image = made
    }

    deinit { g_object_unref(image) }

    /// Reads the header of a file's first frame; its pixels are decoded later, once, from top to bottom. `jpegShrink`
    /// is 2, 4 or 8 to decode a JPEG at that fraction of its size; 1 for any other format.
    convenience init(_ file: borrowing ImageFile, jpegShrink: Int = 1) throws(Failure) {
        try self.init(jpegShrink == 1 ? cvips_open(file.source) : cvips_open_jpeg(file.source, Int32(jpegShrink)))
    }

    var storedSize: PixelSize { PixelSize(width: Int(image.pointee.Xsize), height: Int(image.pointee.Ysize)) }

    /// An orientation EXIF does not define counts as upright.
    var shownSize: PixelSize { vips_image_get_orientation_swap(image) != 0 ? storedSize.turned : storedSize }

    /// Frames of an animation, pages of a TIFF; 1 for anything else.
    var frames: Int { Int(vips_image_get_n_pages(image)) }

    /// True if its JPEG or PNG comes in passes, each over the whole picture.
    var isProgressive: Bool {
        ["jpeg-multiscan", "interlaced"].contains { field in
            var value: Int32 = 0
            guard vips_image_get_typeof(image, field) != 0 else { return false }
            return vips_image_get_int(image, field, &value) == 0 && value != 0
        }
    }

    func resized(to target: PixelSize) throws(Failure) -> VipsImage {
        guard target != storedSize else { return self }
        let horizontal = Double(target.width) / Double(storedSize.width)
        let vertical = Double(target.height) / Double(storedSize.height)
        return try VipsImage(cvips_resize(image, horizontal, vertical))
    }

    /// Transparency laid on white. Done before resizing, so that no colour under it can bleed out.
    func flattened() throws(Failure) -> VipsImage {
        guard vips_image_hasalpha(image) != 0 else { return self }
        var white: [Double] =
            switch image.pointee.Type {
            case VIPS_INTERPRETATION_CMYK: [0]
            case VIPS_INTERPRETATION_LAB: [100, 0, 0]
            case VIPS_INTERPRETATION_scRGB: [1]
            default: image.pointee.BandFmt == VIPS_FORMAT_USHORT ? [65_535] : [255]
            }
        return try VipsImage(cvips_flatten(image, &white, Int32(white.count)))
    }

    /// Colours as sRGB in 8 bits, by the profile in the file if it has a usable one; grey stays grey.
    func inSRGB() throws(Failure) -> VipsImage {
        let isCMYK = image.pointee.Type == VIPS_INTERPRETATION_CMYK
        if isCMYK || vips_image_get_typeof(image, VIPS_META_ICC_NAME) != 0 {
            // A profile that does not fit its picture is common, and no reason to refuse the photo.
            if let converted = cvips_icc_to_srgb(image, isCMYK ? "cmyk" : "srgb") { return try VipsImage(converted) }
        }
        let space = image.pointee.Bands < 3 ? VIPS_INTERPRETATION_B_W : VIPS_INTERPRETATION_sRGB
        return try VipsImage(cvips_colourspace(image, space))
    }

    /// Follows the recipe so far and keeps the pixels, which later steps may then read in any order.
    ///
    /// - Throws: `Failure` if the file is damaged or ends early; no other step finds that out.
    func decoded() throws(Failure) -> VipsImage {
        try VipsImage(vips_image_copy_memory(image))
    }

    /// Turned and mirrored as it is meant to be seen. Reads in any order: `decoded()` comes first.
    func upright() throws(Failure) -> VipsImage {
        try VipsImage(cvips_autorot(image))
    }

    /// A JPEG of it without any metadata.
    func jpeg(quality: Int) throws(Failure) -> Data {
        var bytes: UnsafeMutableRawPointer?
        var count = 0
        guard cvips_jpeg(image, Int32(quality), &bytes, &count) == 0, let bytes else { throw Failure() }
        return Data(bytesNoCopy: bytes, count: count, deallocator: .custom { memory, _ in g_free(memory) })
    }
}
