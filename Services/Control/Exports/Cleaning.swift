import Database
import Logging
import Models
import Repositories
import Storage

/// The volumes a command removes archives from.
struct Cleaning {
    private let storage: LocalStorage

    /// Opens the volumes of the environment.
    static func ofCommand() async throws -> Cleaning {
        Cleaning(storage: try await Volumes.ofCommand())
    }

    /// Removes the archives of one export that was deleted.
    func clean(_ export: ExportID, of database: Database) async throws {
        do {
            try await cleaner(database, .silent).clean(export)
        } catch {
            throw ControlError("Its archives could not be removed: \(error). Run later: tolvactl export clean")
        }
    }

    /// Removes the archives of every export that is due, and says how many, and which could not be cleaned and why.
    func cleanDue(of database: Database) async throws {
        print("exports cleaned: \(try await cleaner(database, .standardError).cleanDue())")
        let left = try await ExportUpkeepRepository(database).due(limit: 1)
        guard left.isEmpty else {
            throw ControlError("Some archives could not be removed. Run: tolvactl doctor")
        }
    }

    private func cleaner(_ database: Database, _ logger: Logger) -> ExportCleaner {
        ExportCleaner(database: database, storage: storage, logger: logger)
    }
}

extension Logger {
    fileprivate static let standardError = Logger(label: "tolvactl") { StreamLogHandler.standardError(label: $0) }
}
