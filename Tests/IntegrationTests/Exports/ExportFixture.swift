import Database
import Foundation
import Models
import Repositories
import TestSupport
import Testing

@testable import API
@testable import Control
@testable import Jobs
@testable import ZipWorker

/// A database with a company of some items, and no worker that would meddle.
struct ExportFixture: Sendable {
    struct Refused: Error {
        let answer: ExportAnswer
    }

    let database: Database
    let user: User
    let items: [ItemID]

    var exports: ExportRepository { ExportRepository(database) }
    var upkeep: ExportUpkeepRepository { ExportUpkeepRepository(database) }

    static func with(items count: Int = 3, _ body: (ExportFixture) async throws -> Void) async throws {
        try await withDatabase { settings in
            _ = try await Migrations.apply(to: settings, logger: .quiet)
            let database = Database(settings: settings, logger: .quiet)
            let outcome: Result<Void, any Error>
            do {
                let company = try await CompanyRepository(database).create(name: "Company")
                let user = try await UserRepository(database).create(
                    company: company.id,
                    email: "a@b.c",
                    passwordHash: "",
                    role: .member
                )
                let repository = ItemRepository(database)
                var items: [ItemID] = []
                for number in 0..<count {
                    let code = String(format: "EQ-%03d", number + 1)
                    let item = NewItem(code: code, name: "Thing", kind: number == 0 ? "first" : "", attributes: [:])
                    items.append(try await repository.create(item, in: company.id).id)
                }
                outcome = .success(try await body(ExportFixture(database: database, user: user, items: items)))
            } catch {
                outcome = .failure(error)
            }
            await database.close()
            try outcome.get()
        }
    }

    func order(_ selection: ExportOrder.Selection = .all, _ options: Export.Options = .init()) -> ExportOrder {
        ExportOrder(
            selection: selection,
            options: options,
            itemsPerPart: 35,
            maximumItems: 100,
            maximumUnfinished: 5,
            life: .seconds(3600)
        )
    }

    func request(_ order: ExportOrder? = nil) async throws -> ExportAnswer {
        try await exports.request(order ?? self.order(), in: user.company, by: user.id)
    }

    /// The export that was added, and whether another had to be.
    func requested(_ order: ExportOrder? = nil) async throws -> (export: Export, jobs: [JobID]) {
        switch try await request(order) {
        case .added(let export, let jobs): return (export, jobs.map(\.id))
        case .existing(let export): return (export, [])
        case let refusal: throw Refused(answer: refusal)
        }
    }

    func find(_ id: ExportID) async throws -> Export? { try await exports.find(id, in: user.company) }

    func upload(_ name: String, to item: ItemID?, kind: Asset.Kind = .image) async throws -> AssetID {
        let bytes = Array(name.utf8.suffix(32))
        let digest = try #require(SHA256Digest(bytes: bytes + [UInt8](repeating: 0, count: 32 - bytes.count)))
        let file = StoredFile(volume: "main", sha256: digest, crc32: 1, bytes: 1)
        let new = NewAsset(kind: kind, filename: name, contentType: "image/jpeg", file: file)
        let accepted = try await AssetRepository(database).accept([new], on: item, in: user.company, by: user.id)
        return try #require(accepted.first?.id)
    }

    func claim(_ job: JobID) async throws -> ClaimedJob {
        try #require(try await database.first(JobStatements.claim(job, "worker")))
    }

    func complete(_ job: ClaimedJob, bytes: Int64 = 10) async throws {
        let archive = ExportPart.Archive(
            volume: "main",
            path: "exports/\(job.subject)/\(job.fence).zip",
            bytes: bytes,
            seconds: 0.5,
            problems: [],
            problemCount: 0
        )
        _ = try await database.transaction([
            JobStatements.requireLease(job.id, job.fence),
            ExportPartRepository.built(archive, of: ExportPartID(rawValue: job.subject)),
            JobStatements.complete(job.id, job.fence),
        ])
    }

    func fail(_ job: ClaimedJob) async throws {
        _ = try await database.transaction([
            JobStatements.requireLease(job.id, job.fence), JobStatements.fail(job.id, job.fence, "It broke."),
        ])
    }

    /// A day later.
    func expire(_ id: ExportID) async throws {
        _ = try await database.run(
            Query<NoRow>("UPDATE exports SET expires_at = now() - interval '1 s' WHERE id = $1")(id)
        )
    }
}
