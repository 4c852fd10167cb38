public import Logging

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

    /// The same, asked through a pool.
    public static func pending(in database: Database) async throws -> [String] {
        try await database.withConnection { try await missing(all, $0).map(\.name) }
    }

    static func apply(
        _ migrations: [Migration],
        to settings: DatabaseSettings,
        logger: Logger
    ) async throws -> [String] {
        try await withSession(settings, logger) { session in
            _ = try await session.run(lock())
            _ = try await session.run(createTable())
            let missing = try await missing(migrations, session)
            for migration in missing {
                try await session.begin()
                try await session.script(migration.sql)
                _ = try await session.run(record(migration.version, migration.name, migration.sql))
                try await session.commit()
                logger.notice("migration applied", metadata: ["migration": "\(migration.name)"])
            }
            return missing.map(\.name)
        }
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
        try await session.open()
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
    private static let lock = Query<NoRow>("SELECT pg_advisory_lock(x'746f6c7661'::bigint)")
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
