import Config
import Database
import Logging

extension Database {
    /// Gives a command the database of the environment, and closes it afterwards.
    ///
    /// - Parameters:
    ///   - connections: How many it needs at once.
    ///   - body: What the command does.
    /// - Returns: What `body` returns.
    /// - Throws: What `body` throws; an error of the database itself in the operator's words.
    static func with<Result>(
        connections: Int = 1,
        _ body: (Database) async throws -> Result
    ) async throws -> Result {
        var settings = try DatabaseSettings.ofCommand()
        settings.poolSize = connections
        let database = Database(settings: settings, logger: .silent)
        let result: Swift.Result<Result, any Error>
        do {
            result = .success(try await body(database))
        } catch let error as DatabaseError {
            result = .failure(ControlError(error))
        } catch {
            result = .failure(error)
        }
        await database.close()
        return try result.get()
    }
}

extension DatabaseSettings {
    /// The environment's, with one connection and little patience: somebody waits at a terminal.
    static func ofCommand(_ reader: SettingsReader = .environment()) throws(SettingsError) -> DatabaseSettings {
        var settings = try DatabaseSettings(reader: reader)
        settings.poolSize = 1
        settings.poolBurst = 0
        settings.poolWait = .seconds(10)
        return settings
    }
}

extension Logger {
    /// A command says what it has to say itself.
    static let silent = Logger(label: "tolvactl") { _ in SwiftLogNoOpLogHandler() }
}

extension ControlError {
    init(_ error: DatabaseError) {
        switch error.sqlState {
        // undefined_table, undefined_column
        case "42P01", "42703": self.init("The database has no schema yet, or an old one. Run: tolvactl migrate")
        default: self.init("\(error)")
        }
    }
}
