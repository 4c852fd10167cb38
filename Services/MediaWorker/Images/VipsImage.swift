import CVips
import Foundation
import Logging

/// libvips in a process of its own.
enum VipsLibrary {
    /// Starts libvips: loaders of untrusted formats blocked, no operation cache, one thread an image. False if it cannot
    /// start.
    ///
    /// A thread an image, because decoding is most of the work and cannot be split: several decoders use the cores
    /// better than threads within one do, and each extra thread holds buffers of its own.
    static func start() -> Bool {
        cvips_bound_malloc(2)
        guard vips_init("tolva-media-worker") == 0 else { return false }
        vips_block_untrusted_set(1)
        vips_cache_set_max(0)
        vips_concurrency_set(1)
        return true
    }

    /// Has libvips open what it opens once, such as the plugins of libheif, while it still can.
    static func warmUp() {
        let nothing = [UInt8](repeating: 0, count: 64)
        nothing.withUnsafeBytes { bytes in
            if let file = ImageFile(bytes) { _ = try? VipsImage(file, as: .heif) }
        }
        let grey = [UInt8](repeating: 128, count: 64 * 64 * 3)
        let image = grey.withUnsafeBytes { bytes in
            vips_image_new_from_memory_copy(bytes.baseAddress, bytes.count, 64, 64, 3, VIPS_FORMAT_UCHAR)
        }
        let small = try? VipsImage(image).resized(to: PixelSize(width: 31, height: 31)).inSRGB(nil).decoded()
        _ = try? small?.jpeg(quality: 85)
        vips_error_clear()
    }

    /// What libvips said since the last call, for the log.
    static func takeMessages() -> String {
        guard let buffer = vips_error_buffer_copy() else { return "" }
        defer { g_free(buffer) }
        return String(cString: buffer).split(separator: "\n").joined(separator: "; ")
    }

    /// Whether a library says that it got no more memory: libvips of a buffer or of a thread's stack, libjpeg, libheif.
    /// The decoders within libheif do not say why they failed.
    static func tellsOfNoMemory(_ messages: String) -> Bool {
        ["out of memory", "Insufficient memory", "Memory allocation error", "Error creating thread"]
            .contains(where: messages.contains)
    }
}

/// Bytes open for libvips, which goes by them and never by a name. They stay the caller's, and outlive every image made
/// of them.
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
    private let bytes: UnsafeRawBufferPointer

    /// Nil only if memory runs out.
    init?(_ bytes: UnsafeRawBufferPointer) {
        guard let opened = vips_source_new_from_memory(bytes.baseAddress, bytes.count) else { return nil }
        source = opened
        self.bytes = bytes
    }

    deinit { g_object_unref(source) }

    /// Nil for anything else libvips might read.
    var format: Format? {
        if let loader = vips_foreign_find_load_source(source) { return Format(rawValue: String(cString: loader)) }
        return hasBrandOfHEIF ? .heif : nil
    }

    /// Brands of HEIF (ISO/IEC 23008-12) and AVIF that the loader opens and libvips does not look for.
    private var hasBrandOfHEIF: Bool {
        guard bytes.hasBytes("ftyp", at: 4), let length = bytes.number32(0) else { return false }
        return stride(from: 8, to: min(length, 256), by: 4).contains { offset in
            ["avif", "avis", "heic", "heix", "hevc", "hevx", "mif1", "mif2", "msf1"].contains {
                bytes.hasBytes($0, at: offset)
            }
        }
    }
}

/// An image of libvips: a recipe that is followed when its pixels are asked for.
///
/// Not `Sendable`: it lives and dies on one thread.
final class VipsImage {
    /// libvips could not do it; `VipsLibrary.takeMessages()` may tell why.
    struct Failure: Error {}

    private let image: UnsafeMutablePointer<CVips.VipsImage>

    fileprivate init(_ made: UnsafeMutablePointer<CVips.VipsImage>?) throws(Failure) {
        guard let made else { throw Failure() }
        image = made
    }

    deinit { g_object_unref(image) }

    /// How a file is read.
    enum Reading {
        /// As what it is.
        case plain
        /// By the loader of HEIF, whatever libvips takes it for.
        case heif
        /// A JPEG at a half, a quarter or an eighth of its size.
        case shrunk(Int)
        /// What a decoder only warns about is an error, too.
        case strict
    }

    /// Reads the header of a file's first frame; its pixels are decoded later, once, from top to bottom.
    convenience init(_ file: borrowing ImageFile, as reading: Reading = .plain) throws(Failure) {
        switch reading {
        case .plain: try self.init(cvips_open(file.source))
        case .heif: try self.init(cvips_open_heif(file.source))
        case .shrunk(let factor): try self.init(cvips_open_jpeg(file.source, Int32(factor)))
        case .strict: try self.init(cvips_open_strictly(file.source))
        }
    }

    var storedSize: PixelSize { PixelSize(width: Int(image.pointee.Xsize), height: Int(image.pointee.Ysize)) }

    /// Of one whole frame, in bytes: width × height × bands × bytes. libvips counts each of the first three in 32 bits,
    /// and a band has 16 bytes at most.
    var decodedBytes: Int64 {
        let pixel = Int64(image.pointee.Bands) * Int64(vips_format_sizeof(image.pointee.BandFmt))
        let (bytes, overflow) = Int64(storedSize.area).multipliedReportingOverflow(by: pixel)
        return overflow ? .max : bytes
    }

    /// Of one line of pixels, in bytes.
    var lineBytes: Int64 { decodedBytes / Int64(max(1, storedSize.height)) }

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

    /// The bands of its colours and, if it has one, of its transparency; what else a TIFF may bring is left out.
    func colourBands() throws(Failure) -> VipsImage {
        if image.pointee.Coding == VIPS_CODING_LABQ { return try VipsImage(cvips_unpacked(image)) }
        let type = image.pointee.Type
        let bands = Int(image.pointee.Bands)
        let isOther = [VIPS_INTERPRETATION_MULTIBAND, VIPS_INTERPRETATION_HISTOGRAM].contains(type)
        let colours: Int =
            switch type {
            case VIPS_INTERPRETATION_CMYK: 4
            case VIPS_INTERPRETATION_B_W, VIPS_INTERPRETATION_GREY16: 1
            default: bands >= 3 ? 3 : 1
            }
        guard isOther || bands > colours + 1 else { return self }
        let chosen = bands > colours ? try VipsImage(cvips_bands(image, Int32(colours))) : self
        return isOther ? try chosen.retagged(as: chosen.screenSpace) : chosen
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

    /// True for numbers that are neither of 8 nor of 16 bits, nor those of a space that says what they are.
    var hasOwnRange: Bool {
        let isUsual = [VIPS_FORMAT_UCHAR, VIPS_FORMAT_USHORT].contains(image.pointee.BandFmt)
        let isLab = [VIPS_INTERPRETATION_LAB, VIPS_INTERPRETATION_LABQ, VIPS_INTERPRETATION_LABS].contains(
            image.pointee.Type
        )
        return !isUsual && !isLab
    }

    /// The same in 8 bits, from black to white: 0…1 or 0…255 where its numbers lie in one of them, else from the least to
    /// the greatest. Looks at every pixel more than once: `decoded()` comes first.
    func inScreenRange() throws(Failure) -> VipsImage {
        var least = 0.0
        var most = 0.0
        guard cvips_range(image, &least, &most) == 0, least.isFinite, most.isFinite else { throw Failure() }
        let known = [1.0, 255].first { least >= 0 && most <= $0 }
        let black = known == nil ? least : 0
        let width = known ?? (most > least ? most - least : 1)
        let scaled = try VipsImage(cvips_scaled(image, 255 / width, -black * 255 / width))
        return try scaled.retagged(as: scaled.screenSpace)
    }

    /// Colours as sRGB in 8 bits: by the profile in the file if it fits, else by what the file says of them; grey stays
    /// grey.
    func inSRGB(_ colours: PictureColours?) throws(Failure) -> VipsImage {
        let isCMYK = image.pointee.Type == VIPS_INTERPRETATION_CMYK
        let hasProfile = profileFits && colours?.overridesProfile != true
        if isCMYK || hasProfile {
            // One that lcms cannot use is common, and no reason to refuse the photo.
            let converted = cvips_icc_to_srgb(image, hasProfile ? 1 : 0, isCMYK ? "cmyk" : "srgb")
            if let converted { return try VipsImage(converted) }
        }
        if let colours, !isCMYK, !hasOwnRange, let mapped = try mapped(by: colours) { return mapped }
        return try VipsImage(cvips_colourspace(image, screenSpaceOfBytes))
    }

    private func mapped(by colours: PictureColours) throws(Failure) -> VipsImage? {
        guard let matrix = colours.matrix else { return nil }
        let isWide = image.pointee.BandFmt == VIPS_FORMAT_USHORT
        let space = isWide ? VIPS_INTERPRETATION_RGB16 : VIPS_INTERPRETATION_sRGB
        let three = image.pointee.Bands == 3 ? self : try VipsImage(cvips_colourspace(image, space))
        let light = colours.light(count: isWide ? 65_536 : 256)
        return try VipsImage(cvips_mapped(three.image, light, Int32(light.count), matrix, colours.levels))
    }

    /// True if its ICC profile is of the kind of its colours (ICC.1, 7.2.6): a profile for other ones makes grey or
    /// negative pictures.
    private var profileFits: Bool {
        guard let profile, profile.count > 20 else { return false }
        let space = String(decoding: profile[16..<20], as: UTF8.self)
        switch image.pointee.Type {
        case VIPS_INTERPRETATION_CMYK: return space == "CMYK"
        case VIPS_INTERPRETATION_LAB, VIPS_INTERPRETATION_LABS: return space == "Lab "
        default: return space == (image.pointee.Bands < 3 ? "GRAY" : "RGB ")
        }
    }

    private var profile: Data? {
        var bytes: UnsafeRawPointer?
        var count = 0
        guard vips_image_get_typeof(image, VIPS_META_ICC_NAME) != 0,
            vips_image_get_blob(image, VIPS_META_ICC_NAME, &bytes, &count) == 0, let bytes
        else { return nil }
        return Data(bytes: bytes, count: count)
    }

    /// True if any screen shows its numbers as they are: 8 bits of grey or of sRGB.
    var isForScreens: Bool {
        let isPlain = image.pointee.BandFmt == VIPS_FORMAT_UCHAR && vips_image_hasalpha(image) == 0
        let isGreyOrRGB = [1, 3].contains(image.pointee.Bands) && image.pointee.Type != VIPS_INTERPRETATION_LAB
        return isPlain && isGreyOrRGB && !profileFits
    }

    private var screenSpaceOfBytes: VipsInterpretation {
        image.pointee.Bands < 3 ? VIPS_INTERPRETATION_B_W : VIPS_INTERPRETATION_sRGB
    }

    /// What its numbers are if they are those of a screen.
    private var screenSpace: VipsInterpretation {
        guard image.pointee.BandFmt == VIPS_FORMAT_USHORT else { return screenSpaceOfBytes }
        return image.pointee.Bands < 3 ? VIPS_INTERPRETATION_GREY16 : VIPS_INTERPRETATION_RGB16
    }

    /// The same numbers, which mean something else.
    private func retagged(as space: VipsInterpretation) throws(Failure) -> VipsImage {
        try VipsImage(cvips_retagged(image, space, 0))
    }

    /// As if its file had said how it was held, unless it did.
    func held(_ orientation: Int) throws(Failure) -> VipsImage {
        guard orientation != 1, vips_image_get_typeof(image, VIPS_META_ORIENTATION) == 0 else { return self }
        return try VipsImage(cvips_retagged(image, image.pointee.Type, Int32(orientation)))
    }

    /// By EXIF's numbers; 1 for what EXIF does not define.
    var orientation: Int { Int(vips_image_get_orientation(image)) }

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
