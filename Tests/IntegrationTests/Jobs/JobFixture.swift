import Database
import Foundation
import Models
import Repositories
import TestSupport
import Testing

@testable import API
@testable import Control
@testable import Jobs

/// A database with a company, a user and an item, and no worker that would meddle.
struct JobFixture: Sendable {
    struct State: Equatable, RowDecodable {
        let state: Job.State
        let attempt: Int
        let fence: Int64
        let progress: Double

        init(state: Job.State, attempt: Int, fence: Int64, progress: Double) {
            self.state = state
            self.attempt = attempt
            self.fence = fence
            self.progress = progress
        }

        init(from row: borrowing Row) throws(DatabaseError) {
            state = try row["state"]
            attempt = try row["attempt"]
            fence = try row["fence"]
            progress = try row["progress"]
        }
    }

    struct Unexpected: Error {
        let what: String
    }

    let database: Database
    let settings: DatabaseSettings
    let company: CompanyID
    private let user: User
    private let item: ItemID

    static func with(_ body: (JobFixture) async throws -> Void) async throws {
        try await withDatabase { settings in
            _ = try await Migrations.apply(to: settings, logger: .quiet)
            let database = Database(settings: settings, logger: .quiet)
            let company = try await CompanyRepository(database).create(name: "Company")
            let user = try await UserRepository(database).create(
                company: company.id,
                email: "a@b.c",
                passwordHash: "",
                role: .member
            )
            let item = try await ItemRepository(database).create(
                NewItem(code: "EQ-1", name: "Thing", kind: "", attributes: [:]),
                in: company.id
            )
            let outcome: Result<Void, any Error>
            do {
                let fixture = JobFixture(
                    database: database,
                    settings: settings,
                    company: company.id,
                    user: user,
                    item: item.id
                )
                outcome = .success(try await body(fixture))
            } catch {
                outcome = .failure(error)
            }
            await database.close()
            try outcome.get()
        }
    }

    /// A queued job of a new asset.
    func job() async throws -> JobID {
        let new = try file(named: UUID().uuidString)
        _ = try await accept([new])
        return try #require(new.job)
    }

    /// A received file whose content is its name.
    func file(named name: String) throws -> NewAsset {
        let bytes = Array(name.utf8.suffix(32))
        let digest = try #require(SHA256Digest(bytes: bytes + [UInt8](repeating: 0, count: 32 - bytes.count)))
        return NewAsset(
            kind: .image,
            filename: name,
            contentType: "image/jpeg",
            file: StoredFile(volume: "main", sha256: digest, crc32: .max, bytes: 1)
        )
    }

    func accept(_ files: [NewAsset]) async throws -> [Asset] {
        try await AssetRepository(database).accept(files, on: item, in: user.company, by: user.id)
    }

    /// An export of the item in one part, and the part's job.
    func export() async throws -> (id: ExportID, job: JobID) {
        let order = ExportOrder(
            selection: .all,
            options: .init(),
            itemsPerPart: 35,
            maximumItems: 100,
            maximumUnfinished: 5,
            life: .seconds(3600)
        )
        let answer = try await ExportRepository(database).request(order, in: company, by: user.id)
        guard case .added(let export, let jobs) = answer else { throw Unexpected(what: "\(answer)") }
        return (export.id, try #require(jobs.first).id)
    }

    func claim(_ job: JobID, _ worker: String = "worker") async throws -> ClaimedJob? {
        try await database.first(JobStatements.claim(job, worker))
    }

    /// As the operator sees it.
    func entry(_ job: JobID) async throws -> JobEntry {
        try #require(try await JobRepository(database).find(job.rawValue).first)
    }

    func row(_ job: JobID) async throws -> State? {
        try await database.first(Query<State>("SELECT state, attempt, fence, progress FROM jobs WHERE id = $1")(job))
    }

    /// What a sleeping worker sees when it wakes up.
    func expireLeases() async throws {
        _ = try await database.run(
            Query<NoRow>("UPDATE jobs SET lease_until = now() - interval '1 s' WHERE state = 'running'")()
        )
    }

    /// After its backoff.
    func makeDue(_ job: JobID) async throws {
        _ = try await database.run(Query<NoRow>("UPDATE jobs SET run_after = now() WHERE id = $1")(job))
    }

    /// Half a minute later.
    func passTime(to jobs: Set<JobID>) async throws {
        _ = try await database.run(
            Query<NoRow>("UPDATE jobs SET announce_at = now() WHERE id = ANY ($1::uuid[])")(Array(jobs))
        )
    }

    /// Something a transaction writes beside the job's end.
    var mark: Statement<NoRow> { Query<NoRow>("INSERT INTO companies (id, name) VALUES ($1, $2)")(UUID(), "mark") }

    func marks() async throws -> Int? {
        try await database.first(
            Query<Value<Int>>("SELECT count(*) AS value FROM companies WHERE name = 'mark'")()
        )?.value
    }
}
