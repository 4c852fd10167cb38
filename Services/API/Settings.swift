import Config

/// The API's own settings; each module it uses has its own beside these.
struct APISettings: Sendable {
    /// Where it listens.
    var host: String
    /// Where it listens.
    var port: Int
    /// Whether `X-Forwarded-For` is believed: only behind a proxy that sets it, or clients choose their address.
    var trustsProxy: Bool
    /// Whether the nginx in front sends the files: it has the volumes too, and `deploy/nginx/nginx.conf`.
    var redirectsDownloads: Bool
    /// How long a client may send nothing before its connection is closed. Phones on bad links pause for minutes.
    var packetTimeout: Duration
    /// How long a sign-in lasts.
    var sessionLife: Duration
    /// What one request may bring, and how much may lie unfinished.
    var limits: UploadLimits
    /// What an export may hold, and how long it stays.
    var exports: ExportLimits
    /// The first admin, if the database has no user yet.
    var adminEmail: String?
    /// The first admin's password.
    var adminPassword: String?

    /// Reads `HTTP_HOST`, `HTTP_PORT`, `TRUST_PROXY`, `ACCEL_REDIRECT`, `PACKET_TIMEOUT`, `SESSION_LIFE`, `ADMIN_EMAIL`,
    /// `ADMIN_PASSWORD` and the limits.
    init(reader: SettingsReader) throws(SettingsError) {
        host = reader.string("HTTP_HOST") ?? "0.0.0.0"
        port = try reader.integer("HTTP_PORT", default: 8080, in: 1...65_535)
        trustsProxy = try reader.flag("TRUST_PROXY", default: false)
        redirectsDownloads = try reader.flag("ACCEL_REDIRECT", default: false)
        packetTimeout = try reader.duration("PACKET_TIMEOUT", default: .seconds(300))
        sessionLife = try reader.duration("SESSION_LIFE", default: .seconds(30 * 86_400))
        limits = try UploadLimits(reader: reader)
        exports = try ExportLimits(reader: reader)
        adminEmail = reader.string("ADMIN_EMAIL")
        adminPassword = reader.string("ADMIN_PASSWORD", isSecret: true)
    }
}
