import Config

/// How much one request may bring, and how much may lie unfinished.
struct UploadLimits: Sendable {
    /// Files in one request.
    var files = 30
    var imageBytes: Int64 = 50 << 20
    var documentBytes: Int64 = 50 << 20
    /// Bytes of all images of one request.
    var imagesBytes: Int64 = 200 << 20
    var videoBytes: Int64 = 2 << 30
    /// Bytes a second below which a body is cut; 0 takes whatever comes.
    var minimumRate: Int64 = 1 << 10
    /// How long an upload that comes in several requests lives when nobody goes on with it.
    var unfinishedLife = Duration.seconds(24 * 3600)
    /// Such uploads of one company.
    var unfinished = 1000

    /// Practically no limit, and sums of such limits do not overflow.
    private static let largest: Int64 = 1 << 50

    init() {}

    init(reader: SettingsReader) throws(SettingsError) {
        files = try reader.integer("MAX_FILES_PER_REQUEST", default: files, in: 1...1000)
        imageBytes = min(Self.largest, try reader.bytes("MAX_IMAGE_BYTES", default: imageBytes))
        documentBytes = min(Self.largest, try reader.bytes("MAX_DOCUMENT_BYTES", default: documentBytes))
        imagesBytes = min(Self.largest, try reader.bytes("MAX_IMAGES_BYTES_PER_REQUEST", default: imagesBytes))
        videoBytes = min(Self.largest, try reader.bytes("MAX_VIDEO_BYTES", default: videoBytes))
        minimumRate = min(Self.largest, try reader.bytes("MINIMUM_RATE", default: minimumRate))
        unfinishedLife = try reader.duration("UPLOAD_LIFE", default: unfinishedLife)
        guard unfinishedLife > .zero else {
            throw SettingsError(variable: "UPLOAD_LIFE", problem: "is no time at all", example: "24h")
        }
        unfinished = try reader.integer("MAX_UNFINISHED_UPLOADS", default: unfinished, in: 1...100_000)
    }
}
