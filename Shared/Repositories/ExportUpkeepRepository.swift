public import Database
import Foundation
import Jobs
public import Logging
public import Models
public import Storage

/// The exports of every company, for the operator and for the cleaner.
public struct ExportUpkeepRepository: Sendable {
    public struct Entry: Sendable {
        public let export: Export
        public let company: String
    }

    /// An export whose archives are to be removed.
    public struct Due: Sendable {
        public let id: ExportID
        /// Whether its rows go too.
        public let isDeleted: Bool
    }

    public enum Requeued: Sendable {
        /// So many parts wait for a worker again.
        case parts(Int)
        /// Nothing of it failed or has expired, or it is not there.
        case nothing
        /// The same was asked for again meanwhile, and is being built as another export.
        case replaced
        /// The company has as many unfinished exports as it may.
        case tooManyUnfinished
    }

    private struct TooManyUnfinished: Error {}

    private static let fingerprintIndex = "exports_unfinished"

    private let database: Database

    public init(_ database: Database) {
        self.database = database
    }

    /// Newest first.
    public func newest(
        of company: CompanyID?,
        status: Export.Status?,
        limit: Int
    ) async throws(DatabaseError) -> [Entry] {
        try await database.run(Self.newest(company, status, limit))
    }

    /// Whose export it is; nil if there is none of that id.
    public func company(of id: ExportID) async throws(DatabaseError) -> CompanyID? {
        try await database.first(Self.companyOf(id))?.id
    }

    /// Queues the failed parts of a finished export again, and of an expired one all of them, unless its company has
    /// `maximumUnfinished` unfinished exports already; nil is no limit.
    ///
    /// The sweeper announces them within seconds.
    public func requeue(_ id: ExportID, maximumUnfinished: Int? = nil) async throws -> Requeued {
        do {
            return try await database.withTransaction { connection in
                let ended = try await connection.run(Self.endedParts(id))
                guard let isExpired = ended.first?.isExpired else { return .nothing }
                // The jobs first: whoever ends one locks the export after it.
                let requeued = try await connection.run(
                    JobStatements.requeue(ended.map(\.id), from: isExpired ? [.failed, .done] : [.failed])
                )
                guard !requeued.isEmpty else { return .nothing }
                _ = try await connection.run(Self.reopen(id))
                if let maximumUnfinished, let unfinished = try await connection.first(Self.unfinishedBeside(id)),
                    unfinished.count > maximumUnfinished
                {
                    throw TooManyUnfinished()
                }
                return .parts(requeued.count)
            }
        } catch is TooManyUnfinished {
            return .tooManyUnfinished
        } catch let error as DatabaseError where error.isUniqueViolation(of: Self.fingerprintIndex) {
            return .replaced
        }
    }

    /// Exports whose archives have to go, oldest first: the deleted and the expired.
    public func due(limit: Int) async throws(DatabaseError) -> [Due] {
        try await database.run(Self.due(limit))
    }

    /// Runs `body`, which removes the archives of an export, and records that they are gone; false, without running it,
    /// if the export is not due any more.
    ///
    /// Nobody can queue the export again meanwhile: its row is locked. If the process dies in between, it is still due.
    public func clean(_ id: ExportID, removing body: () async throws -> Void) async throws -> Bool {
        try await database.withTransaction { connection in
            guard let due = try await connection.run(Self.lockDue(id)).first else { return false }
            try await body()
            _ = try await connection.run(due.isDeleted ? Self.remove(id) : Self.markCleaned(id))
            return true
        }
    }

    /// Deletes exports that ended longer ago than `age` and have no archives any more, and counts them.
    @discardableResult
    public func forget(olderThan age: Duration) async throws(DatabaseError) -> Int {
        let seconds = age / .seconds(1)
        return try await database.transaction([
            JobStatements.deleteParts(ofExportsExpiredFor: seconds), Self.forget(seconds),
        ])[1].affected
    }

    private static func newest(_ company: CompanyID?, _ status: Export.Status?, _ limit: Int) -> Statement<Entry> {
        var list = ComposedStatement<Entry>()
        list.add(
            "SELECT d.*, c.name AS company FROM export_details d JOIN companies c ON c.id = d.company_id WHERE true"
        )
        list.add("AND d.company_id = ?", ifAny: company)
        list.add("AND d.status = ?", ifAny: status)
        list.add("ORDER BY d.id DESC LIMIT ?", limit)
        return list.statement
    }

    private static let companyOf = Query<CompanyKey>(
        "SELECT company_id AS id FROM exports WHERE id = $1 AND deleted_at IS NULL"
    )
    private static let endedParts = Query<EndedPart>(
        """
        SELECT p.id, e.expires_at <= now() AS expired FROM export_parts p JOIN exports e ON e.id = p.export_id
         WHERE e.id = $1 AND e.deleted_at IS NULL AND e.finished_at IS NOT NULL
        """
    )
    private static let reopen = Query<NoRow>(
        """
        UPDATE exports e SET finished_at = NULL, expires_at = NULL, cleaned_at = NULL
         WHERE id = $1 AND deleted_at IS NULL AND finished_at IS NOT NULL
           AND EXISTS (SELECT FROM export_parts p JOIN jobs j ON j.subject_id = p.id
                        WHERE p.export_id = e.id AND j.state = 'queued')
        """
    )
    /// It counts itself, too.
    private static let unfinishedBeside = Query<ExportCount>(
        """
        SELECT count(*) AS count FROM exports o JOIN exports e ON e.company_id = o.company_id
         WHERE e.id = $1 AND o.finished_at IS NULL AND o.deleted_at IS NULL
        """
    )
    private static let due = Query<Due>(
        """
        SELECT id, deleted_at IS NOT NULL AS deleted FROM exports
         WHERE deleted_at IS NOT NULL OR (cleaned_at IS NULL AND expires_at <= now())
         ORDER BY id LIMIT $1
        """
    )
    private static let lockDue = Query<Due>(
        """
        SELECT id, deleted_at IS NOT NULL AS deleted FROM exports
         WHERE id = $1 AND (deleted_at IS NOT NULL OR (cleaned_at IS NULL AND expires_at <= now()))
           FOR UPDATE
        """
    )
    private static let markCleaned = Query<NoRow>("UPDATE exports SET cleaned_at = now() WHERE id = $1")
    private static let remove = Query<NoRow>("DELETE FROM exports WHERE id = $1")
    private static let forget = Query<NoRow>(
        """
        DELETE FROM exports WHERE cleaned_at IS NOT NULL AND expires_at < now() - $1::float8 * interval '1 s'
        """
    )
}

extension ExportUpkeepRepository.Entry: RowDecodable {
    public init(from row: borrowing Row) throws(DatabaseError) {
        export = try Export(from: row)
        company = try row["company"]
    }
}

extension ExportUpkeepRepository.Due: RowDecodable {
    public init(from row: borrowing Row) throws(DatabaseError) {
        id = try row["id"]
        isDeleted = try row["deleted"]
    }
}

private struct CompanyKey: RowDecodable {
    let id: CompanyID

    init(from row: borrowing Row) throws(DatabaseError) { id = try row["id"] }
}

private struct EndedPart: RowDecodable {
    let id: UUID
    let isExpired: Bool

    init(from row: borrowing Row) throws(DatabaseError) {
        id = try row["id"]
        isExpired = try row["expired"]
    }
}

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

private struct ExportCount: RowDecodable {
    let count: Int

    init(from row: borrowing Row) throws(DatabaseError) { count = try row["count"] }
}
