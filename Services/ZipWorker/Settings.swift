import Config

/// How a ZIP worker builds the parts of exports.
struct ZipSettings: Sendable {
    /// Parts at once (`EXPORT_SLOTS`).
    var slots = 1
    /// Parts of one company at once, in all workers together (`SLOTS_PER_COMPANY`); nil for as many as there are.
    var companySlots: Int?
    /// Threads that copy the files of one part (`EXPORT_COPY_THREADS`).
    var copyThreads = 2
    /// Of a hundred cloned files, how many are read all the same to compare their checksum
    /// (`EXPORT_VERIFY_PERCENT`). What is copied is always compared.
    var verifyPercent = 5
    /// How long an export stays in lists after its archives have gone (`EXPORT_HISTORY`).
    var history = Duration.seconds(30 * 86_400)

    init() {}

    /// Reads `EXPORT_SLOTS`, `SLOTS_PER_COMPANY`, `EXPORT_COPY_THREADS`, `EXPORT_VERIFY_PERCENT` and `EXPORT_HISTORY`; each has a default.
    init(reader: SettingsReader) throws(SettingsError) {
        slots = try reader.integer("EXPORT_SLOTS", default: slots, in: 1...64)
        if reader.string("SLOTS_PER_COMPANY") != nil {
            companySlots = try reader.integer("SLOTS_PER_COMPANY", default: 1, in: 1...10_000)
        }
        copyThreads = try reader.integer("EXPORT_COPY_THREADS", default: copyThreads, in: 1...64)
        verifyPercent = try reader.integer("EXPORT_VERIFY_PERCENT", default: verifyPercent, in: 0...100)
        history = try reader.duration("EXPORT_HISTORY", default: history)
    }
}
