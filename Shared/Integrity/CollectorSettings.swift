public import Config

/// When the collector runs by itself, and what it leaves alone.
public struct CollectorSettings: Sendable {
    /// How long ago a file without a row was last written or wanted before it goes.
    public let grace: Duration
    /// How often all processes together collect.
    public let interval: Duration

    /// Reads `GC_GRACE` (24 h) and `GC_INTERVAL` (6 h).
    ///
    /// - Throws: For a grace under 15 minutes: the row of a file in use may be that far behind it.
    public init(reader: SettingsReader) throws(SettingsError) {
        grace = try reader.duration("GC_GRACE", default: .seconds(24 * 3600))
        interval = try reader.duration("GC_INTERVAL", default: .seconds(6 * 3600))
        guard grace >= .seconds(900) else {
            throw SettingsError(variable: "GC_GRACE", problem: "is less than 15 minutes", example: "24h")
        }
    }
}
