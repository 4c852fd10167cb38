public import Database
public import Logging
public import Models
public import Storage

/// Removes the archives of exports that were deleted or have expired.
///
/// Several processes may clean at once: each export is cleaned by who has locked its row.
public struct ExportCleaner: Sendable {
    private static let batch = 100

    private let exports: ExportUpkeepRepository
    private let storage: LocalStorage
    private let logger: Logger

    public init(database: Database, storage: LocalStorage, logger: Logger) {
        exports = ExportUpkeepRepository(database)
        self.storage = storage
        self.logger = logger
    }

    /// Removes the archives of one export; false if it was not due. After an error it is still due.
    @discardableResult
    public func clean(_ export: ExportID) async throws -> Bool {
        try await exports.clean(export) { try await storage.removeExport(export) }
    }

    /// Removes the archives of every export that is due, and counts them. One that cannot be cleaned is logged, and due
    /// again next time.
    public func cleanDue() async throws -> Int {
        var total = 0
        while true {
            let due = try await exports.due(limit: Self.batch)
            var cleaned = 0
            for export in due {
                do {
                    if try await clean(export.id) { cleaned += 1 }
                } catch {
                    let metadata: Logger.Metadata = ["export": "\(export.id)", "error": "\(error)"]
                    logger.error("The archives of an export could not be removed yet", metadata: metadata)
                }
            }
            total += cleaned
            // Those that failed would come back endlessly.
            if due.count < Self.batch || cleaned == 0 { return total }
        }
    }
}
