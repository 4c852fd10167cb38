import Database
import Logging
import Repositories
import ServiceLifecycle
import Storage
import Telemetry

/// Removes the archives of expired and deleted exports, once a minute, and forgets exports that are long gone.
struct ExportExpiry: Service {
    private let cleaner: ExportCleaner
    private let exports: ExportUpkeepRepository
    private let history: Duration
    private let logger: Logger

    init(database: Database, storage: LocalStorage, history: Duration, logger: Logger) {
        cleaner = ExportCleaner(database: database, storage: storage, logger: logger)
        exports = ExportUpkeepRepository(database)
        self.history = history
        self.logger = logger
    }

    func run() async throws {
        await repeatUntilShutdown(every: .seconds(60)) {
            do {
                let cleaned = try await cleaner.cleanDue()
                if cleaned > 0 { logger.info("Archives were removed", metadata: ["exports": "\(cleaned)"]) }
                try await exports.forget(olderThan: history)
            } catch {
                logger.warning("Expired exports could not be cleaned yet", metadata: ["error": "\(error)"])
            }
        }
    }
}
