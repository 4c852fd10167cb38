import Blocking
import Config
import Storage

/// The volumes a command works on.
enum Volumes {
    /// Opens those of the environment.
    static func ofCommand() async throws -> LocalStorage {
        let settings = try StorageSettings(reader: .environment())
        let threads = BlockingThreads(name: "volumes", count: 1)
        do {
            return try await threads.run { () throws(StorageError) in
                try LocalStorage(settings: settings, logger: .silent)
            }
        } catch {
            throw ControlError("\(error). Run: tolvactl doctor")
        }
    }
}
