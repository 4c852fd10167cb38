import Foundation

/// A photo whose header was read and found within the limits.
struct Photo {
    private let original: Picture
    private let format: ImageFile.Format
    private let path: String

    /// Reads the header; nothing is decoded, so a bomb costs nothing.
    init(_ path: String, limits: MediaSettings) throws(MediaFailure) {
        guard let file = ImageFile(path) else { throw .sourceUnavailable }
        guard let format = file.format else { throw .unsupportedImage }
        do {
            original = try Picture(file)
        } catch {
            throw .damagedImage
        }
        guard original.frames <= limits.maximumImageFrames else { throw .tooManyFrames(limits.maximumImageFrames) }
        guard original.storedSize.area <= limits.maximumImagePixels else {
            throw .tooManyPixels(limits.maximumImagePixels)
        }
        self.format = format
        self.path = path
    }

    /// True if decoding it takes hundreds of megabytes: its decoder keeps the whole picture, and that is large.
    /// A plain JPEG or PNG of any size is decoded in strips.
    var isHeavy: Bool {
        let isInStrips = [.jpeg, .png].contains(format) && !original.isProgressive
        return !isInStrips && original.storedSize.area > 13_000_000
    }

    /// Writes `compressed` and `thumbnail`.
    func makeRenditions(in workspace: String, settings: MediaSettings) throws(MediaFailure) -> ImageProcessor.Output {
        let shown = original.shownSize
        let compressed: Picture
        let thumbnail: Picture
        do throws(Picture.Failure) {
            compressed = try decoded(longSide: settings.compressedSide)
            thumbnail = try compressed.resized(to: compressed.storedSize.fitted(toLongSide: settings.thumbnailSide))
        } catch {
            throw .damagedImage
        }
        return ImageProcessor.Output(
            width: shown.width,
            height: shown.height,
            renditions: [
                try save(compressed, as: "compressed", in: workspace, quality: settings.compressedQuality),
                try save(thumbnail, as: "thumbnail", in: workspace, quality: settings.compressedQuality),
            ]
        )
    }

    private func decoded(longSide: Int) throws(Picture.Failure) -> Picture {
        let target = original.storedSize.fitted(toLongSide: longSide)
        return try shrunkOnLoad(above: 2 * longSide).flattened().resized(to: target).inSRGB().decoded().upright()
    }

    /// A JPEG decoder halves a picture for less than it costs to decode it whole, but its crude filter shows
    /// unless a factor of two is left for the real one (libvips and Pillow keep the same margin).
    private func shrunkOnLoad(above longSide: Int) throws(Picture.Failure) -> Picture {
        let shrink = [8, 4, 2].first { original.storedSize.longSide / $0 >= longSide }
        guard format == .jpeg, let shrink, let file = ImageFile(path) else { return original }
        return try Picture(file, jpegShrink: shrink)
    }

    private func save(
        _ picture: Picture,
        as name: String,
        in workspace: String,
        quality: Int
    ) throws(MediaFailure) -> MadeRendition {
        let bytes: Data
        do {
            bytes = try picture.jpeg(quality: quality)
        } catch {
            throw .damagedImage
        }
        let file = "\(workspace)/\(name).jpg"
        do {
            try bytes.write(to: URL(filePath: file))
        } catch {
            throw .cannotWrite(error)
        }
        return MadeRendition(name: name, file: file, contentType: "image/jpeg", size: picture.storedSize)
    }
}

extension MediaFailure {
    static let unsupportedImage = permanent(
        "unsupported_image",
        "This is no picture of a kind that can be shown, or it is damaged."
    )
    static let damagedImage = permanent("damaged_image", "This picture is damaged or incomplete; upload it again.")

    static func tooManyPixels(_ limit: Int) -> MediaFailure {
        let size = limit < 1_000_000 ? "\(limit) pixels" : "\(limit / 1_000_000) megapixels"
        return permanent("too_many_pixels", "This picture has more than \(size); upload a smaller one.")
    }

    static func tooManyFrames(_ limit: Int) -> MediaFailure {
        permanent("too_many_frames", "This animation has more than \(limit) frames; upload a shorter one.")
    }

    static func cannotWrite(_ error: any Error) -> MediaFailure {
        if (error as? CocoaError)?.code == .fileWriteOutOfSpace { return .noSpace }
        return transient("cannot_write", "The server could not store the result; the file will be tried again.")
    }
}
