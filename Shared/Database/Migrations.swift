public import Logging
public import Models

/// Brings a database to the schema this program was built for.
///
/// A migration is a file `Migrations/NNNN-name.sql`, built into the program, of any statements that a transaction
/// allows. Applied, it is never changed: its checksum is kept in the table `schema_migrations`.
public enum Migrations {
    /// Applies what is missing, each migration in a transaction of its own. Several processes may do so at once:
    /// the others wait for the first and find nothing left to do.
    ///
    /// - Returns: The names applied, in order.
    /// - Throws: `MigrationError` if the database is not one this program can bring forward; `DatabaseError`.
    public static func apply(to settings: DatabaseSettings, logger: Logger) async throws -> [String] {
        try await apply(all, to: settings, logger: logger)
    }

    /// The names of the migrations that are missing.
    ///
    /// - Throws: As `apply` does. A database without any schema is not an error.
    public static func pending(in settings: DatabaseSettings, logger: Logger) async throws -> [String] {
        try await withSession(settings, logger) { try await missing(all, $0).map(\.name) }
    }

    /// The same, through a pool.
    public static func pending(in database: Database) async throws -> [String] {
        try await database.withConnection { try await missing(all, $0).map(\.name) }
    }

    static func apply(
        _ migrations: [Migration],
        to settings: DatabaseSettings,
        logger: Logger
    ) async throws -> [String] {
        try await withSession(settings, logger) { session in
            _ = try await session.transaction([lock.forSession])
            _ = try await session.run(createTable())
            let missing = try await missing(migrations, session)
            for migration in missing {
                try await session.begin()
                do {
                    try await session.script(migration.sql)
                } catch let error as DatabaseError where isRefusalOfExtension(error) && !migration.extensions.isEmpty {
                    throw MigrationError.noExtension(migration.name, migration.extensions, error.message)
                }
                _ = try await session.run(record(migration.version, migration.name, migration.sql))
                try await session.commit()
                logger.notice("migration applied", metadata: ["migration": "\(migration.name)"])
            }
            return missing.map(\.name)
        }
    }

    /// `insufficient_privilege`, `feature_not_supported` and `undefined_file`: the role may not create an extension, or the
    /// server does not have it.
    private static func isRefusalOfExtension(_ error: DatabaseError) -> Bool {
        ["42501", "0A000", "58P01"].contains(error.sqlState)
    }

    /// A session of its own, since it ends with its locks and an unfinished transaction, however it ends.
    private static func withSession<T>(
        _ settings: DatabaseSettings,
        _ logger: Logger,
        _ body: (Connection) async throws -> T
    ) async throws -> T {
        var settings = settings
        // An index on a large table takes its time, and so does the wait for another process's migrations.
        settings.statementTimeout = .seconds(3600)
        let session = Connection(settings: settings, metrics: DatabaseMetrics(), logger: logger)
        _ = try await session.open()
        do {
            let value = try await body(session)
            await session.close()
            return value
        } catch {
            await session.close()
            throw error
        }
    }

    private static func missing(_ migrations: [Migration], _ session: Connection) async throws -> [Migration] {
        var applied: [Int: AppliedMigration] = [:]
        do throws(DatabaseError) {
            for migration in try await session.run(selectApplied()) { applied[migration.version] = migration }
        } catch {
            guard error.sqlState == undefinedTable else { throw error }
            return migrations
        }
        let checksums = try await session.transaction(migrations.map { checksum($0.sql) })
        var missing: [Migration] = []
        for (migration, result) in zip(migrations, checksums) {
            guard let row = applied.removeValue(forKey: migration.version) else {
                missing.append(migration)
                continue
            }
            guard try result.decodeFirst(Checksum.self)?.text == row.checksum else {
                throw MigrationError.changed(migration.name)
            }
        }
        if let newest = applied.values.max(by: { $0.version < $1.version }) {
            throw MigrationError.newer(newest.name)
        }
        return missing
    }

    /// "tolva" in ASCII; every program that migrates this database takes this lock.
    private static let lock = AdvisoryLock(number: 0x74_6f6c_7661)
    private static let createTable = Query<NoRow>(
        """
        CREATE TABLE IF NOT EXISTS schema_migrations (
            version    integer PRIMARY KEY,
            name       text NOT NULL,
            checksum   text NOT NULL,
            applied_at timestamptz NOT NULL DEFAULT now()
        )
        """
    )
    private static let selectApplied = Query<AppliedMigration>("SELECT version, name, checksum FROM schema_migrations")
    private static let checksum = Query<Checksum>("SELECT encode(sha256(convert_to($1, 'UTF8')), 'hex') AS checksum")
    private static let record = Query<NoRow>(
        """
        INSERT INTO schema_migrations (version, name, checksum)
        VALUES ($1, $2, encode(sha256(convert_to($3, 'UTF8')), 'hex'))
        """
    )
    /// SQLSTATE undefined_table.
    private static let undefinedTable = "42P01"
}

private struct AppliedMigration: RowDecodable {
    let version: Int
    let name: String
    let checksum: String

    init(from row: borrowing Row) throws(DatabaseError) {
        version = try row["version"]
        name = try row["name"]
        checksum = try row["checksum"]
    }
}

private struct Checksum: RowDecodable {
    let text: String

    init(from row: borrowing Row) throws(DatabaseError) {
        text = try row["checksum"]
    }
}

/// One step of the schema.
struct Migration: Sendable {
    let version: Int
    /// The file's name without `.sql`.
    let name: String
    let sql: String

    init(_ version: Int, _ name: String, _ file: [UInt8]) {
        self.version = version
        self.name = name
        sql = String(decoding: file, as: UTF8.self)
    }

    /// The names in its `CREATE EXTENSION IF NOT EXISTS name;`.
    var extensions: [String] {
        sql.split(separator: "\n").compactMap { line in
            line.hasPrefix("CREATE EXTENSION") ? line.split(separator: " ").last?.dropLast().description : nil
        }
    }
}

extension Migrations {
    /// Every file of the directory, in order. The build names each one's bytes after it, with `_` for what a name
    /// cannot hold and for its first digit.
    static let all = [
        Migration(1, "0001-foundation", PackageResources._001_foundation_sql),
        Migration(2, "0002-exports", PackageResources._002_exports_sql),
        Migration(3, "0003-uploads", PackageResources._003_uploads_sql),
        Migration(4, "0004-consistency", PackageResources._004_consistency_sql),
        Migration(5, "0005-job-history", PackageResources._005_job_history_sql),
        Migration(6, "0006-promised-digests", PackageResources._006_promised_digests_sql),
        Migration(7, "0007-volumes", PackageResources._007_volumes_sql),
        Migration(8, "0008-own-queue", PackageResources._008_own_queue_sql),
        Migration(9, "0009-bounds", PackageResources._009_bounds_sql),
        Migration(10, "0010-limits-and-lost-messages", PackageResources._010_limits_and_lost_messages_sql),
        Migration(11, "0011-parts-and-deaths", PackageResources._011_parts_and_deaths_sql),
        Migration(12, "0012-lists", PackageResources._012_lists_sql),
        Migration(13, "0013-indexed-lists", PackageResources._013_indexed_lists_sql),
        Migration(14, "0014-turns", PackageResources._014_turns_sql),
        Migration(15, "0015-finished-jobs", PackageResources._015_finished_jobs_sql),
        Migration(16, "0016-batches", PackageResources._016_batches_sql),
        Migration(17, "0017-job-counts", PackageResources._017_job_counts_sql),
        Migration(18, "0018-rendition-texts", PackageResources._018_rendition_texts_sql),
        Migration(19, "0019-ready-assets", PackageResources._019_ready_assets_sql),
    ]
}

/// A database this program must not touch.
public enum MigrationError: Error, CustomStringConvertible {
    /// The file of an applied migration is not what was applied.
    case changed(String)
    /// The database has a migration this program does not know.
    case newer(String)
    /// An extension it needs could not be created, and what the server says.
    case noExtension(String, [String], String)

    public var description: String {
        switch self {
        case .changed(let name):
            "migration \(name) was changed after it was applied: restore its file and write a new migration"
        case .newer(let name):
            "the database has migration \(name), which this program does not know: start a newer version"
        case .noExtension(let name, let extensions, let reason):
            """
            migration \(name) needs extensions of PostgreSQL: \(reason). Install the server's contrib package if it lacks \
            them, and let the role create them (GRANT CREATE ON DATABASE … TO …), or create them as a superuser: \
            \(extensions.map { "CREATE EXTENSION \($0);" }.joined(separator: " "))
            """
        }
    }
}

extension Database {
    /// Whether the server answers and has every migration this program knows.
    public var readiness: DependencyStatus {
        get async {
            do {
                let pending = try await Migrations.pending(in: self)
                guard !pending.isEmpty else {
                    guard let lost = pooler?.lostSettings, !lost.isEmpty else { return .ok }
                    return .degraded(
                        "the pooler before Postgres does not pass on \(lost.joined(separator: ", ")): set it for the role"
                    )
                }
                return .failed(
                    "migrations are missing: \(pending.joined(separator: ", "))",
                    action: "Run tolvactl migrate."
                )
            } catch {
                return .failed("\(error)", action: "See whether Postgres runs and DATABASE_URL is right.")
            }
        }
    }
}
