import Config

/// How large an export may be, how many may wait, and how long its archives stay.
struct ExportLimits: Sendable {
    /// Items of one part.
    var itemsPerPart = 35
    /// Items of one export.
    var maximumItems = 10_000
    /// Exports of a company that are not finished yet.
    var maximumUnfinished = 50
    /// How long the archives of a finished export live.
    var life = Duration.seconds(24 * 3600)

    init() {}

    /// Reads `EXPORT_ITEMS_PER_PART`, `EXPORT_MAX_ITEMS`, `EXPORT_MAX_UNFINISHED` and `EXPORT_LIFE`.
    init(reader: SettingsReader) throws(SettingsError) {
        itemsPerPart = try reader.integer("EXPORT_ITEMS_PER_PART", default: itemsPerPart, in: 1...1000)
        maximumItems = try reader.integer("EXPORT_MAX_ITEMS", default: maximumItems, in: 1...100_000)
        maximumUnfinished = try reader.integer("EXPORT_MAX_UNFINISHED", default: maximumUnfinished, in: 1...10_000)
        life = try reader.duration("EXPORT_LIFE", default: life)
        guard life > .zero else {
            throw SettingsError(variable: "EXPORT_LIFE", problem: "is no time at all", example: "24h")
        }
    }

    /// Bytes of the JSON that asks for an export: an id takes 39 of them, and more with white space around it.
    var bodyBytes: Int { JSONBody.maximumBytes + maximumItems * 64 }
}
