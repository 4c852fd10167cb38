import Config
import Models

/// How much one request may bring.
struct UploadLimits: Sendable {
    /// Files in one request.
    var files = 30
    /// Bytes of one image.
    var imageBytes: Int64 = 50 << 20
    /// Bytes of one document.
    var documentBytes: Int64 = 50 << 20
    /// Bytes of all images of one request.
    var imagesBytes: Int64 = 200 << 20
    /// Bytes of one film.
    var videoBytes: Int64 = 2 << 30
    /// Bytes a second below which a body is cut; 0 takes whatever comes.
    var minimumRate: Int64 = 1 << 10

    init() {}

    /// Reads `MAX_FILES_PER_REQUEST`, `MAX_IMAGE_BYTES`, `MAX_DOCUMENT_BYTES`, `MAX_IMAGES_BYTES_PER_REQUEST`,
    /// `MAX_VIDEO_BYTES` and `MINIMUM_RATE` (bytes a second).
    init(reader: SettingsReader) throws(SettingsError) {
        files = try reader.integer("MAX_FILES_PER_REQUEST", default: files, in: 1...1000)
        imageBytes = try reader.bytes("MAX_IMAGE_BYTES", default: imageBytes)
        documentBytes = try reader.bytes("MAX_DOCUMENT_BYTES", default: documentBytes)
        imagesBytes = try reader.bytes("MAX_IMAGES_BYTES_PER_REQUEST", default: imagesBytes)
        videoBytes = try reader.bytes("MAX_VIDEO_BYTES", default: videoBytes)
        minimumRate = try reader.bytes("MINIMUM_RATE", default: minimumRate)
    }

    /// Bytes of one file of a kind.
    func bytes(of kind: Asset.Kind) -> Int64 {
        switch kind {
        case .image: imageBytes
        case .document: documentBytes
        case .video: videoBytes
        }
    }

    /// Bytes of the largest file there may be.
    var fileBytes: Int64 { max(imageBytes, documentBytes, videoBytes) }

    /// Bytes of a whole request: one film of the largest size beside all the images and documents, and what stands
    /// around them. Above it a request is refused before its body.
    var requestBytes: Int64 { videoBytes + imagesBytes + documentBytes * 4 + (1 << 20) }
}
