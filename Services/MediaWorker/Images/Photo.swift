import Foundation
import Glibc

/// A photo whose header was read and found within the limits.
struct Photo {
    /// The bytes of the picture: the file, or the preview in a raw one.
    private let bytes: UnsafeRawBufferPointer
    private let format: ImageFile.Format
    private let original: VipsImage
    private let colours: PictureColours?
    private let isPreview: Bool
    private let recipe: PictureRecipe
    /// Behind the image, which reads it to its own end.
    private let file: PictureFile

    /// Buffers that do not grow with the picture.
    private static let baseBytes: Int64 = 48 << 20
    /// Lines that a decoder in strips holds, with those that are made smaller.
    private static let lines: Int64 = 256

    /// Reads the header; nothing is decoded, so a bomb costs nothing. The descriptor stays the caller's.
    init(_ descriptor: Int32, recipe: PictureRecipe) throws(PictureProblem) {
        let file = try PictureFile(descriptor: descriptor)
        var bytes = file.bytes
        let raw = RawPicture(bytes)
        if let raw {
            guard let preview = raw.preview else { throw .raw }
            bytes = UnsafeRawBufferPointer(rebasing: bytes[preview])
        }
        guard let image = ImageFile(bytes) else { throw .noMemory }
        guard let format = image.format else { throw .unsupported }
        do throws(VipsImage.Failure) {
            original = try VipsImage(image, as: format == .heif ? .heif : .plain).held(raw?.orientation ?? 1)
        } catch {
            throw .damaged
        }
        self.file = file
        self.bytes = bytes
        self.format = format
        self.recipe = recipe
        isPreview = raw != nil
        colours =
            switch format {
            case .png: PictureColours(png: bytes)
            case .heif: PictureColours(heif: bytes)
            default: nil
            }
        guard !isPreview || original.storedSize.longSide >= recipe.thumbnailSide else { throw .raw }
        guard original.frames <= recipe.maximumFrames else { throw .tooManyFrames }
        guard original.storedSize.area <= recipe.maximumPixels else { throw .tooManyPixels }
        guard isInStrips || original.decodedBytes <= recipe.maximumDecodedBytes else { throw .tooLarge }
    }

    /// True if its decoder never holds the whole picture: a plain JPEG or PNG of any size.
    private var isInStrips: Bool { [.jpeg, .png].contains(format) && !original.isProgressive }

    /// What decoding it is thought to take, in bytes.
    var memoryBytes: Int64 {
        let whole = original.decodedBytes
        let picture: Int64 =
            switch format {
            case _ where isInStrips: min(whole, original.lineBytes * Self.lines)
            // Coefficients of 16 bits for every band; of a PNG, the picture itself and one more.
            case .jpeg, .png: 2 * whole
            // The planes of a decoder, and the picture made of them.
            case .heif, .webp: 3 * whole
            case .gif, .tiff: 2 * whole
            }
        // `compressed`, before and after its colours are converted.
        let fitted = original.storedSize.fitted(toLongSide: recipe.compressedSide)
        let pixel = whole / Int64(max(1, original.storedSize.area))
        return Self.baseBytes + picture + 2 * Int64(fitted.area) * max(3, pixel)
    }

    /// Decodes it and writes both renditions.
    func makeRenditions(compressed: Int32, thumbnail: Int32) throws(PictureProblem) -> MadePicture {
        let picture: VipsImage
        let small: VipsImage
        do throws(VipsImage.Failure) {
            picture = try decoded()
            small = try picture.resized(to: picture.storedSize.fitted(toLongSide: recipe.thumbnailSide))
        } catch {
            throw .damaged
        }
        let (encoded, type) = try encode(picture)
        try write(encoded, to: compressed)
        try write(try jpeg(small, quality: recipe.compressedQuality), to: thumbnail)
        return MadePicture(
            size: original.shownSize,
            compressedSize: picture.storedSize,
            compressedType: type,
            thumbnailSize: small.storedSize
        )
    }

    private func decoded() throws(VipsImage.Failure) -> VipsImage {
        do throws(VipsImage.Failure) {
            return try decoded(shrunkOnLoad(above: 2 * recipe.compressedSide))
        } catch {
            guard format == .jpeg, let completed else { throw error }
            let result = completed.withUnsafeBytes { bytes in
                Result { () throws(VipsImage.Failure) in
                    guard let image = ImageFile(bytes) else { throw VipsImage.Failure() }
                    return try decoded(VipsImage(image, as: .strict))
                }
            }
            return try result.get()
        }
    }

    private func decoded(_ opened: VipsImage) throws(VipsImage.Failure) -> VipsImage {
        let target = original.storedSize.fitted(toLongSide: recipe.compressedSide)
        let resized = try opened.colourBands().flattened().resized(to: target)
        let shown = resized.hasOwnRange ? try resized.decoded().inScreenRange() : resized
        return try shown.inSRGB(colours).decoded().held(original.orientation).upright()
    }

    /// The file with the end mark that it lacks, nil if it has one. Every pixel of such a file may be there, as readers
    /// that do not look for the mark show.
    private var completed: Data? {
        guard !bytes.suffix(2).elementsEqual([0xFF, 0xD9]), let start = bytes.baseAddress else { return nil }
        return Data(bytes: start, count: bytes.count) + [0xFF, 0xD9]
    }

    /// A JPEG decoder halves a picture for less than it costs to decode it whole, but its crude filter shows
    /// unless a factor of two is left for the real one (libvips and Pillow keep the same margin).
    private func shrunkOnLoad(above longSide: Int) throws(VipsImage.Failure) -> VipsImage {
        let shrink = [8, 4, 2].first { original.storedSize.longSide / $0 >= longSide }
        guard format == .jpeg, let shrink, let image = ImageFile(bytes) else { return original }
        return try VipsImage(image, as: .shrunk(shrink))
    }
}

// MARK: - Renditions

extension Photo {
    /// Qualities below the usual one that are tried where the original has fewer bytes.
    private static let lowerQualities = [75, 65, 55, 45, 35, 25]

    /// `compressed` in no more bytes than the original: as usual, else without loss, else with more of it.
    private func encode(_ picture: VipsImage) throws(PictureProblem) -> (Data, RenditionType) {
        let limit = bytes.count
        var smallest = try jpeg(picture, quality: recipe.compressedQuality)
        guard smallest.count > limit else { return (smallest, .jpeg) }
        if let (copy, type) = losslessCopy, copy.count <= limit { return (copy, type) }
        for quality in Self.lowerQualities where quality < recipe.compressedQuality && smallest.count > limit {
            smallest = try jpeg(picture, quality: quality)
        }
        return (smallest, .jpeg)
    }

    /// Nil for what must be made smaller, or whose colours some screens show otherwise.
    private var losslessCopy: (Data, RenditionType)? {
        let isSmall = original.storedSize.longSide <= recipe.compressedSide
        guard isSmall, !isPreview, colours == nil, original.isForScreens else { return nil }
        switch format {
        case .jpeg:
            return LosslessCopy.jpeg(bytes, orientation: original.orientation).map { ($0, .jpeg) }
        case .png:
            guard original.orientation == 1 else { return nil }
            return LosslessCopy.png(bytes).map { ($0, .png) }
        default: return nil
        }
    }

    private func jpeg(_ image: VipsImage, quality: Int) throws(PictureProblem) -> Data {
        do {
            return try image.jpeg(quality: quality)
        } catch {
            throw .damaged
        }
    }

    private func write(_ bytes: Data, to descriptor: Int32) throws(PictureProblem) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count > 0 {
                rest = rest.dropFirst(count)
            } else if errno != EINTR {
                throw [ENOSPC, EDQUOT].contains(errno) ? .noSpace : .cannotWrite
            }
        }
    }
}
