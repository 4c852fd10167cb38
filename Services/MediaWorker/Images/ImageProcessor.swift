import Blocking
import CVips
import Foundation
import Logging
import Synchronization

/// Makes `compressed` and `thumbnail` of a photo.
final class ImageProcessor: Sendable {
    private let settings: MediaSettings
    private let logger: Logger
    private let threads: BlockingThreads
    /// Held while a photo is decoded whole in memory (`Photo.isDecodedWhole`).
    private let wholeDecoding = Mutex(())

    /// Starts libvips and a thread for each slot; throws if libvips cannot start, which only a broken installation
    /// does. `logger` gets what libvips says about the files it cannot read.
    init(settings: MediaSettings, logger: Logger) throws(MediaFailure) {
        guard VipsLibrary.start(slots: settings.imageSlots) else { throw .imageLibraryUnavailable }
        self.settings = settings
        self.logger = logger
        threads = BlockingThreads(name: "image", count: settings.imageSlots) { vips_thread_shutdown() }
    }

    /// Decodes a photo once for both renditions: upright, in sRGB, on white, without metadata, never enlarged.
    ///
    /// Photos whose decoding needs much memory wait for each other on their threads: the process never holds two of
    /// them. A photo already begun is finished even if the task is cancelled; with the default limits that takes a few
    /// seconds. `workspace` is a directory of this attempt's own.
    ///
    /// A failure is permanent if the file is no picture, is damaged, ends early or exceeds a limit; transient if it
    /// cannot be opened, the disk is full, or the task was cancelled before a thread was free.
    func process(source: String, workspace: String) async throws(MediaFailure) -> ProcessedMedia {
        guard !Task.isCancelled else { throw .stopped }
        do {
            return try await threads.run { [self] () throws(MediaFailure) in
                let photo = try Photo(source, limits: settings)
                guard photo.isDecodedWhole else { return try photo.makeRenditions(in: workspace, settings: settings) }
                return try wholeDecoding.withLock { _ throws(MediaFailure) in
                    try photo.makeRenditions(in: workspace, settings: settings)
                }
            }
        } catch {
            logger.info(
                "a picture could not be processed",
                metadata: ["code": "\(error.code)", "libvips": "\(VipsLibrary.takeMessages())"]
            )
            throw error
        }
    }
}

/// A photo whose header was read and found within the limits.
private struct Photo {
    private let original: VipsImage
    private let format: ImageFile.Format
    private let path: String

    /// Reads the header; nothing is decoded, so a bomb costs nothing.
    init(_ path: String, limits: MediaSettings) throws(MediaFailure) {
        guard let file = ImageFile(path) else { throw .sourceUnavailable }
        guard let format = file.format else { throw .unsupportedImage }
        do {
            original = try VipsImage(file)
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
    var isDecodedWhole: Bool {
        let isInStrips = [.jpeg, .png].contains(format) && !original.isProgressive
        return !isInStrips && original.storedSize.area > 13_000_000
    }

    func makeRenditions(in workspace: String, settings: MediaSettings) throws(MediaFailure) -> ProcessedMedia {
        let size = original.shownSize
        let compressed: VipsImage
        let thumbnail: VipsImage
        do throws(VipsImage.Failure) {
            compressed = try decoded(longSide: settings.compressedSide)
            thumbnail = try compressed.resized(to: compressed.storedSize.fitted(toLongSide: settings.thumbnailSide))
        } catch {
            throw .damagedImage
        }
        return ProcessedMedia(
            size: size,
            durationSeconds: nil,
            renditions: [
                try save(compressed, as: "compressed", in: workspace, quality: settings.compressedQuality),
                try save(thumbnail, as: "thumbnail", in: workspace, quality: settings.compressedQuality),
            ]
        )
    }

    private func decoded(longSide: Int) throws(VipsImage.Failure) -> VipsImage {
        let target = original.storedSize.fitted(toLongSide: longSide)
        return try shrunkOnLoad(above: 2 * longSide).flattened().resized(to: target).inSRGB().decoded().upright()
    }

    /// A JPEG decoder halves a picture for less than it costs to decode it whole, but its crude filter shows
    /// unless a factor of two is left for the real one (libvips and Pillow keep the same margin).
    private func shrunkOnLoad(above longSide: Int) throws(VipsImage.Failure) -> VipsImage {
        let shrink = [8, 4, 2].first { original.storedSize.longSide / $0 >= longSide }
        guard format == .jpeg, let shrink, let file = ImageFile(path) else { return original }
        return try VipsImage(file, jpegShrink: shrink)
    }

    private func save(
        _ image: VipsImage,
        as name: String,
        in workspace: String,
        quality: Int
    ) throws(MediaFailure) -> MadeRendition {
        let bytes: Data
        do {
            bytes = try image.jpeg(quality: quality)
        } catch {
            throw .damagedImage
        }
        let file = "\(workspace)/\(name).jpg"
        do {
            try bytes.write(to: URL(filePath: file))
        } catch {
            throw .cannotWrite(error)
        }
        return MadeRendition(name: name, file: file, contentType: "image/jpeg", size: image.storedSize)
    }
}
