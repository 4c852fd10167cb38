public import Database
import Foundation
public import Models
public import Repositories
import Testing

@testable public import Jobs

/// A database with a company, a user and items, and no process that would meddle: for the rules of rows.
public struct CompanyFixture: Sendable {
    public let database: Database
    public let settings: DatabaseSettings
    public let company = CompanyID.new()
    public let user = UserID.new()
    public let items: [ItemID]

    /// What a test did not expect to get.
    public struct Unexpected: Error {
        let what: String

        public init(_ what: some Sendable) { self.what = "\(what)" }
    }

    /// Gives the body a fixture whose items have the codes `EQ-001`, `EQ-002`…; the first of several has a kind.
    public static func with(items count: Int = 1, _ body: (CompanyFixture) async throws -> Void) async throws {
        try await withDatabase(isMigrated: true) { settings in
            let database = Database(settings: settings, logger: .quiet)
            try await withCleanup {
                let items = (0..<count).map { _ in ItemID.new() }
                let fixture = CompanyFixture(database: database, settings: settings, items: items)
                try await fixture.insert()
                try await body(fixture)
            } cleanUp: {
                await database.close()
            }
        }
    }

    private init(database: Database, settings: DatabaseSettings, items: [ItemID]) {
        self.database = database
        self.settings = settings
        self.items = items
    }

    /// Another user of the company.
    public func colleague() async throws -> UserID {
        let id = UserID.new()
        _ = try await database.run(Self.insertUser(id, company))
        return id
    }

    private static let insertUser = Query<NoRow>(
        """
        INSERT INTO users (id, company_id, email, password_hash, role)
        VALUES ($1::uuid, $2, $1::uuid || '@example.com', '', 'member')
        """
    )

    private func insert() async throws {
        let item = Query<NoRow>(
            "INSERT INTO items (id, company_id, code, name, kind) VALUES ($1, $2, $3, 'Thing', $4)"
        )
        _ = try await database.transaction(
            [
                Query<NoRow>("INSERT INTO companies (id, name) VALUES ($1, 'Company')")(company),
                Self.insertUser(user, company),
            ]
                + items.enumerated().map { number, id in
                    let kind = items.count > 1 && number == 0 ? "first" : ""
                    return item(id, company, String(format: "EQ-%03d", number + 1), kind)
                }
        )
    }
}

extension AssetRepository {
    public func accept(
        _ files: [NewAsset],
        on item: ItemID?,
        in company: CompanyID,
        by user: UserID
    ) async throws -> [Asset]? {
        try await accept(NewAssets(files, on: item, in: company, by: user))
    }
}

/// Assets and their jobs.
extension CompanyFixture {
    /// A queued job of a new asset of the first item.
    public func job() async throws -> JobID {
        let new = try file(named: UUID().uuidString)
        _ = try await accept([new])
        return try #require(new.job).id
    }

    /// A received file whose content is its name, whatever size its row says.
    public func file(
        named name: String,
        kind: Asset.Kind = .image,
        contentType: String = "image/jpeg",
        bytes size: Int64 = 1
    ) throws -> NewAsset {
        let bytes = Array(name.utf8.suffix(32))
        let digest = try #require(SHA256Digest(bytes: bytes + [UInt8](repeating: 0, count: 32 - bytes.count)))
        let file = StoredFile(volume: "main", sha256: digest, crc32: .max, bytes: size)
        return NewAsset(kind: kind, filename: name, contentType: contentType, file: file)
    }

    public func accept(_ files: [NewAsset]) async throws -> [Asset] {
        try await accept(files, on: items.first)
    }

    public func accept(_ files: [NewAsset], on item: ItemID?) async throws -> [Asset] {
        try #require(await AssetRepository(database).accept(files, on: item, in: company, by: user))
    }

    /// As a request of this company's user brings them.
    public func request(_ files: [NewAsset], on item: ItemID? = nil, by user: UserID? = nil) -> NewAssets {
        NewAssets(files, on: item, in: company, by: user ?? self.user)
    }

    /// Claims this job as a worker does that finds no other: those are of another kind meanwhile. Nil if it cannot be
    /// claimed now.
    public func claim(_ job: JobID, _ worker: String = "worker") async throws -> ClaimedJob? {
        try await database.withTransaction { connection in
            _ = try await connection.run(Query<NoRow>("UPDATE jobs SET kind = 'not ' || kind WHERE id <> $1")(job))
            let kind = Query<Value<Job.Kind>>("SELECT kind AS value FROM jobs WHERE id = $1")
            let turn = try #require(try await connection.first(kind(job))).value
            let claimed = try await connection.first(JobStatements.claim(turn, worker))
            _ = try await connection.run(Query<NoRow>("UPDATE jobs SET kind = substr(kind, 5) WHERE id <> $1")(job))
            return claimed
        }
    }

    /// Gives every item one file.
    public func fillItems() async throws {
        for item in items { _ = try await accept([try file(named: "\(item)")], on: item) }
    }

    /// The same of a job that can be claimed.
    public func claimed(_ job: JobID, _ worker: String = "worker") async throws -> ClaimedJob {
        try #require(try await claim(job, worker))
    }

    public func fail(_ job: ClaimedJob, _ reason: String = "It broke.") async throws {
        _ = try await database.transaction([
            JobStatements.requireLease(job.id, job.fence), JobStatements.fail(job.id, job.fence, reason),
        ])
    }

    /// The job as the operator sees it.
    public func entry(_ job: JobID) async throws -> JobEntry {
        try #require(try await JobRepository(database).find(job.rawValue).first)
    }

    public func row(_ job: JobID) async throws -> JobState? {
        try await database.first(Query<JobState>("SELECT state, attempt, fence, progress FROM jobs WHERE id = $1")(job))
    }

    /// What a sleeping worker sees when it wakes up.
    public func expireLeases() async throws {
        _ = try await database.run(
            Query<NoRow>("UPDATE jobs SET lease_until = now() - interval '1 s' WHERE state = 'running'")()
        )
    }

    /// No worker gets it before it is made due.
    public func postpone(_ jobs: JobID...) async throws {
        _ = try await database.run(
            Query<NoRow>("UPDATE jobs SET run_after = now() + interval '1 day' WHERE id = ANY ($1::uuid[])")(jobs)
        )
    }

    /// After its backoff.
    public func makeDue(_ job: JobID) async throws {
        _ = try await database.run(Query<NoRow>("UPDATE jobs SET run_after = now() WHERE id = $1")(job))
    }

    /// Half a minute later.
    public func passTime(to jobs: Set<JobID>) async throws {
        _ = try await database.run(
            Query<NoRow>("UPDATE jobs SET announce_at = now() WHERE id = ANY ($1::uuid[])")(Array(jobs))
        )
    }

    /// Something a transaction writes beside the job's end.
    public var mark: Statement<NoRow> {
        Query<NoRow>("INSERT INTO companies (id, name) VALUES ($1, $2)")(UUID(), "mark")
    }

    public func marks() async throws -> Int? {
        try await database.first(
            Query<Value<Int>>("SELECT count(*) AS value FROM companies WHERE name = 'mark'")()
        )?.value
    }
}

/// Exports.
extension CompanyFixture {
    public var exports: ExportRepository { ExportRepository(database) }

    public func order(
        _ selection: ExportOrder.Selection = .all,
        _ options: Export.Options = .init()
    ) -> ExportOrder {
        ExportOrder(
            selection: selection,
            options: options,
            itemsPerPart: 35,
            filesPerPart: 10_000,
            bytesPerPart: 4 << 30,
            maximumItems: 100,
            maximumUnfinished: 5,
            life: .seconds(3600)
        )
    }

    public func request(_ order: ExportOrder? = nil) async throws -> ExportAnswer {
        try await exports.request(order ?? self.order(), in: company, by: user)
    }

    /// The export of an order, and the jobs of its parts if it was added now.
    public func requested(_ order: ExportOrder? = nil) async throws -> (export: Export, jobs: [JobID]) {
        switch try await request(order) {
        case .added(let export, let jobs): return (export, jobs.map(\.id))
        case .existing(let export): return (export, [])
        case let refusal: throw Unexpected(refusal)
        }
    }

    /// A new export of all items in one part, and the part's job.
    public func export() async throws -> (id: ExportID, job: JobID) {
        let (export, jobs) = try await requested()
        return (export.id, try #require(jobs.first))
    }

    public func find(_ id: ExportID) async throws -> Export? { try await exports.find(id, in: company) }

    /// When its life is over.
    public func expire(_ id: ExportID) async throws {
        _ = try await database.run(
            Query<NoRow>("UPDATE exports SET expires_at = now() - interval '1 s' WHERE id = $1")(id)
        )
    }
}
