public import Database
public import Logging
public import Storage

/// The names of the volumes that were ever used.
public struct VolumeRepository: Sendable {
    private let database: Database

    public init(_ database: Database) {
        self.database = database
    }

    public func names() async throws(DatabaseError) -> Set<String> {
        Set(try await database.run(Self.all()).map(\.name))
    }

    public func remember(_ names: [String]) async throws(DatabaseError) {
        _ = try await database.run(Self.insert(names))
    }

    private static let all = Query<VolumeName>("SELECT name FROM volumes")
    private static let insert = Query<NoRow>(
        "INSERT INTO volumes (name) SELECT unnest($1::text[]) ON CONFLICT (name) DO NOTHING"
    )
}

private struct VolumeName: RowDecodable {
    let name: String

    init(from row: borrowing Row) throws(DatabaseError) { name = try row["name"] }
}

extension LocalStorage {
    /// Opens the volumes of a process once it is certain that their disks are mounted; until then nothing is written.
    ///
    /// A volume has a marker from its first use on, and the database remembers it. One that has no marker is new if the
    /// database does not know it, and only then is the database waited for: all others open without it. Throws
    /// `UnmountedVolume` for one that was used before and has no marker; `MistakenVolume`; `StorageError`.
    public static func mounted(
        _ settings: StorageSettings,
        rememberedBy database: Database,
        logger: Logger
    ) async throws -> LocalStorage {
        let volumes = VolumeRepository(database)
        let unmarked = try settings.volumes.filter { try !$0.isMarked() }
        if !unmarked.isEmpty {
            let remembered = try await volumes.namesOnceThere(logger)
            for location in unmarked where remembered.contains(location.name) {
                // Another process may have been the first to use it a moment ago.
                guard try location.isMarked() else { throw UnmountedVolume(location) }
            }
        }
        let storage = try LocalStorage(settings: settings, logger: logger)
        do {
            for location in unmarked { try location.mark() }
            try await volumes.remember(settings.volumes.map(\.name))
        } catch {
            // A full volume, or a database that is away: it is tried again at the next start.
            logger.warning("It is not remembered which volumes are in use", metadata: ["error": "\(error)"])
        }
        return storage
    }
}

extension VolumeRepository {
    fileprivate func namesOnceThere(_ logger: Logger) async throws -> Set<String> {
        while true {
            do {
                return try await names()
            } catch {
                logger.warning("Waiting for the database to say which volumes are new", metadata: ["error": "\(error)"])
            }
            try await Task.sleep(for: .seconds(1))
        }
    }
}
