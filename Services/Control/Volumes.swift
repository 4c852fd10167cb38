import Blocking
import Config
import Storage

/// The volumes a command works on.
enum Volumes {
    /// Opens those of the environment; a directory that is not the volume it should be is left alone.
    static func ofCommand() async throws -> LocalStorage {
        let settings = try StorageSettings(reader: .environment())
        let threads = BlockingThreads(name: "volumes", count: 1)
        do {
            return try await threads.run {
                for location in settings.volumes {
                    guard try location.isMarked() else { throw UnusedVolume(location: location) }
                }
                return try LocalStorage(settings: settings, logger: .silent)
            }
        } catch {
            throw ControlError("\(error). Run: tolvactl doctor")
        }
    }
}

/// A directory without the marker of a volume.
private struct UnusedVolume: Error, CustomStringConvertible {
    let location: StorageSettings.Location

    var description: String {
        "volume \(location.name): \(location.path) has no \(StorageSettings.Location.marker): its disk is not mounted, or no service has used it yet"
    }
}
