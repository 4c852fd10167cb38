import Config

/// How long uploads that come in several requests may lie unfinished, and how many of them.
struct ResumableSettings: Sendable {
    /// How long one lives that nobody goes on with.
    var life = Duration.seconds(24 * 3600)
    /// Unfinished ones of a company.
    var maximumUnfinished = 1000

    init() {}

    /// Reads `UPLOAD_LIFE` and `MAX_UNFINISHED_UPLOADS`.
    init(reader: SettingsReader) throws(SettingsError) {
        life = try reader.duration("UPLOAD_LIFE", default: life)
        guard life > .zero else {
            throw SettingsError(variable: "UPLOAD_LIFE", problem: "is no time at all", example: "24h")
        }
        maximumUnfinished = try reader.integer("MAX_UNFINISHED_UPLOADS", default: maximumUnfinished, in: 1...100_000)
    }
}
