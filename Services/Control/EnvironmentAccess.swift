import Blocking
import Config
import Database
import Logging
import Messaging
import Storage

// What commands reach through the environment: the database, the broker, the volumes.

extension Logger {
    /// Commands print their own messages.
    static let silent = Logger(label: "tolvactl") { _ in SwiftLogNoOpLogHandler() }
}

extension Database {
    /// Gives a command the database of the environment, and closes it afterwards. Its errors are thrown in the
    /// operator's words.
    static func with<Result>(
        connections: Int = 1,
        _ body: (Database) async throws -> Result
    ) async throws -> Result {
        var settings = try DatabaseSettings.forCommand()
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
    /// The environment's, with one connection and a short timeout: somebody waits at a terminal.
    static func forCommand(_ reader: SettingsReader = .environment()) throws(SettingsError) -> DatabaseSettings {
        var settings = try DatabaseSettings(reader: reader)
        settings.poolSize = 1
        settings.poolBurst = 0
        settings.poolWait = .seconds(10)
        return settings
    }
}

extension ControlError {
    fileprivate init(_ error: DatabaseError) {
        switch error.sqlState {
        // undefined_table, undefined_column
        case "42P01", "42703": self.init("The database has no schema yet, or an old one. Run: tolvactl migrate")
        default: self.init("\(error)")
        }
    }
}

extension Publisher {
    /// Gives a command a publisher that is connected, or that has tried for 8 s, and ends it afterwards.
    static func with<Result, Failure: Error>(
        _ settings: MessagingSettings,
        _ body: (Publisher) async throws(Failure) -> Result
    ) async throws(Failure) -> Result {
        let publisher = Publisher(settings: settings, logger: .silent)
        let run = Task { try await publisher.run() }
        let deadline = ContinuousClock.now + .seconds(8)
        while case .disconnected = publisher.state, ContinuousClock.now < deadline, !Task.isCancelled {
            // Only cancellation ends a sleep early, and it ends the loop as well.
            try? await Task.sleep(for: .milliseconds(50))
        }
        let outcome: Swift.Result<Result, Failure>
        do throws(Failure) {
            outcome = .success(try await body(publisher))
        } catch {
            outcome = .failure(error)
        }
        run.cancel()
        // How its connections ended tells no more than what each publish has answered.
        _ = await run.result
        return try outcome.get()
    }
}

extension DeadLetters {
    /// Gives a command the dead letters of the environment's broker. The broker's errors are thrown in the operator's
    /// words.
    static func with<Result>(
        _ body: (DeadLetters, MessagingSettings) async throws -> Result
    ) async throws -> Result {
        let settings = try MessagingSettings(reader: .environment())
        do {
            return try await body(DeadLetters(settings: settings), settings)
        } catch let error as MessagingError {
            throw ControlError("\(error). Run: tolvactl doctor")
        }
    }
}

extension LocalStorage {
    /// Opens the volumes of the environment for a command; a directory that is not the volume it should be is left
    /// alone.
    static func forCommand() async throws -> LocalStorage {
        let settings = try StorageSettings(reader: .environment())
        let threads = BlockingThreads(name: "volumes", count: 1)
        do {
            return try await threads.run {
                for location in settings.volumes {
                    guard try location.isMarked() else { throw UnmarkedVolume(location: location) }
                }
                return try LocalStorage(settings: settings, logger: .silent)
            }
        } catch {
            throw ControlError("\(error). Run: tolvactl doctor")
        }
    }

    private struct UnmarkedVolume: Error, CustomStringConvertible {
        let location: StorageSettings.Location

        var description: String {
            "volume \(location.name): \(location.path) has no \(StorageSettings.Location.marker): its disk is not mounted, or no service has used it yet"
        }
    }
}
