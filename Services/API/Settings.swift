import Config
import Foundation

/// The API's own settings; each module it uses has its own beside these.
struct APISettings: Sendable {
    var host: String
    var port: Int
    /// Whether `X-Forwarded-For` and the like are believed: only behind a proxy that sets it, or clients choose their
    /// address.
    var trustsProxy: Bool
    /// Where clients reach the API; nil if their requests say it.
    var publicURL: PublicURL?
    /// Of pages elsewhere that may call the API, as browsers write them.
    var crossOrigins: Set<String>
    /// Whether clients reach this process without a proxy: many take an interim response for the answer, nginx among
    /// them.
    var hasDirectClients: Bool
    /// Whether the nginx in front sends the files: it has the volumes too, and `deploy/nginx/nginx.conf`.
    var redirectsDownloads: Bool
    /// How long a client may send nothing before its connection is closed. Phones on bad links pause for minutes.
    var packetTimeout: Duration
    var sessionLife: Duration
    /// How many requests of one user are worked on at a time, uploads and downloads aside: half of the processors, so that
    /// nobody has all of them.
    var requestsOfUser: Int
    /// How long a job of an image or a video that is done is remembered. Those of exports live as long as these are listed.
    var jobHistory: Duration
    var limits: UploadLimits
    var exports: ExportLimits
    /// The first admin's, if the database has no user yet.
    var adminEmail: String?
    var adminPassword: String?

    init(reader: SettingsReader) throws(SettingsError) {
        host = reader.string("HTTP_HOST") ?? "0.0.0.0"
        port = try reader.integer("HTTP_PORT", default: 8080, in: 1...65_535)
        trustsProxy = try reader.flag("TRUST_PROXY", default: false)
        publicURL = try reader.publicURL("PUBLIC_URL")
        crossOrigins = try reader.origins("CORS_ORIGINS")
        hasDirectClients = try reader.flag("DIRECT_CLIENTS", default: false)
        redirectsDownloads = try reader.flag("ACCEL_REDIRECT", default: false)
        packetTimeout = try reader.duration("PACKET_TIMEOUT", default: .seconds(300))
        sessionLife = try reader.duration("SESSION_LIFE", default: .seconds(30 * 86_400))
        let half = max(1, ProcessInfo.processInfo.activeProcessorCount / 2)
        requestsOfUser = try reader.integer("REQUESTS_PER_USER", default: half, in: 1...1000)
        jobHistory = try reader.duration("JOB_HISTORY", default: .seconds(30 * 86_400), atLeast: .seconds(900))
        limits = try UploadLimits(reader: reader)
        exports = try ExportLimits(reader: reader)
        adminEmail = reader.string("ADMIN_EMAIL")
        adminPassword = reader.string("ADMIN_PASSWORD", isSecret: true)
    }
}

/// How large an export may be, how many may wait, and how long its archives stay.
struct ExportLimits: Sendable {
    /// Items of one part that have files.
    var itemsPerPart = 35
    /// Files of one part.
    var filesPerPart = 10_000
    /// Bytes of one part, unless one file alone has more. Some readers lose what begins behind 4 GiB.
    var bytesPerPart: Int64 = 4 << 30
    /// Items of one export.
    var maximumItems = 10_000
    /// Exports of a company that are not finished yet.
    var maximumUnfinished = 50
    /// How long the archives of a finished export live.
    var life = Duration.seconds(24 * 3600)

    init() {}

    init(reader: SettingsReader) throws(SettingsError) {
        itemsPerPart = try reader.integer("EXPORT_ITEMS_PER_PART", default: itemsPerPart, in: 1...1000)
        filesPerPart = try reader.integer("EXPORT_FILES_PER_PART", default: filesPerPart, in: 1...100_000)
        bytesPerPart = try reader.bytes("EXPORT_BYTES_PER_PART", default: bytesPerPart)
        guard bytesPerPart > 0 else {
            throw SettingsError(variable: "EXPORT_BYTES_PER_PART", problem: "is no room at all", example: "4GiB")
        }
        maximumItems = try reader.integer("EXPORT_MAX_ITEMS", default: maximumItems, in: 1...100_000)
        maximumUnfinished = try reader.integer("EXPORT_MAX_UNFINISHED", default: maximumUnfinished, in: 1...10_000)
        life = try reader.duration("EXPORT_LIFE", default: life)
        guard life > .zero else {
            throw SettingsError(variable: "EXPORT_LIFE", problem: "is no time at all", example: "24h")
        }
    }
}

/// How much one request may bring, and how much may lie unfinished.
struct UploadLimits: Sendable {
    /// Files in one request.
    var files = 30
    var imageBytes: Int64 = 50 << 20
    var documentBytes: Int64 = 50 << 20
    /// The documents that are taken; nil for every one.
    var documentTypes: DocumentTypes?
    /// Bytes of all images of one request.
    var imagesBytes: Int64 = 200 << 20
    var videoBytes: Int64 = 2 << 30
    /// Bytes a second below which a body is cut; 0 takes whatever comes.
    var minimumRate: Int64 = 1 << 10
    /// How long an upload that comes in several requests lives when nobody goes on with it.
    var unfinishedLife = Duration.seconds(24 * 3600)
    var unfinished = UnfinishedLimits()

    /// Practically no limit, and sums of such limits do not overflow.
    private static let largest: Int64 = 1 << 50

    init() {}

    init(reader: SettingsReader) throws(SettingsError) {
        files = try reader.integer("MAX_FILES_PER_REQUEST", default: files, in: 1...1000)
        imageBytes = min(Self.largest, try reader.bytes("MAX_IMAGE_BYTES", default: imageBytes))
        documentBytes = min(Self.largest, try reader.bytes("MAX_DOCUMENT_BYTES", default: documentBytes))
        if let list = reader.string("DOCUMENT_TYPES") { documentTypes = try DocumentTypes(list) }
        imagesBytes = min(Self.largest, try reader.bytes("MAX_IMAGES_BYTES_PER_REQUEST", default: imagesBytes))
        videoBytes = min(Self.largest, try reader.bytes("MAX_VIDEO_BYTES", default: videoBytes))
        minimumRate = min(Self.largest, try reader.bytes("MINIMUM_RATE", default: minimumRate))
        unfinishedLife = try reader.duration("UPLOAD_LIFE", default: unfinishedLife)
        guard unfinishedLife > .zero else {
            throw SettingsError(variable: "UPLOAD_LIFE", problem: "is no time at all", example: "24h")
        }
        unfinished = try UnfinishedLimits(reader: reader, largestFile: fileBytes)
    }
}

/// How many uploads that come in several requests may be unfinished at once, and how many bytes they may have together:
/// those that are here, or were declared.
struct UnfinishedLimits: Sendable {
    var uploadsOfUser = 1000
    var bytesOfUser: Int64 = 20 << 30
    var uploadsOfCompany = 10_000
    var bytesOfCompany: Int64 = 200 << 30

    init() {}

    /// One file of the largest size always fits.
    init(reader: SettingsReader, largestFile: Int64) throws(SettingsError) {
        func bytes(_ name: String, default value: Int64) throws(SettingsError) -> Int64 {
            let bytes = try reader.bytes(name, default: max(value, largestFile))
            guard bytes >= largestFile else {
                throw SettingsError(
                    variable: name,
                    problem: "is \(bytes), less than one file may have (\(largestFile))",
                    example: "20GiB"
                )
            }
            return bytes
        }
        uploadsOfUser = try reader.integer("MAX_UNFINISHED_UPLOADS_PER_USER", default: uploadsOfUser, in: 1...100_000)
        bytesOfUser = try bytes("MAX_UNFINISHED_BYTES_PER_USER", default: bytesOfUser)
        uploadsOfCompany = try reader.integer("MAX_UNFINISHED_UPLOADS", default: uploadsOfCompany, in: 1...100_000)
        bytesOfCompany = try bytes("MAX_UNFINISHED_BYTES", default: bytesOfCompany)
    }
}
