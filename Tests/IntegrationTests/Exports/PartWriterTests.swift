import Blocking
import Database
import Foundation
import Models
import Repositories
import Storage
import Synchronization
import TestSupport
import Testing

@testable import ZipWorker

@Suite("From the rows of a part to its archive")
struct PartWriterTests {
    @Test("A part whose worker is told to stop while it reads rows is written to its end if little is left of it")
    func stopped() async throws {
        try await PartFixture.with(items: 1) { fixture in
            let company = fixture.company
            // More than are read at once.
            _ = try await company.fill(company.items[0], files: 600)
            var order = company.order()
            order.bytesPerPart = 1 << 50
            let export = try await company.requested(order).export
            let plan = try await fixture.plan(try #require(try await company.parts(of: export.id).first))
            let underway = Mutex<Task<PartWriter.Written, any Error>?>(nil)
            let (held, release) = AsyncStream.makeStream(of: Void.self)
            let task = Task {
                // Until the task is known to whoever cancels it.
                for await _ in held {}
                return try await fixture.write(plan) { underway.withLock { $0?.cancel() } }
            }
            underway.withLock { $0 = task }
            release.finish()
            let written = try await task.value
            #expect(written.problemCount == 600, "none of its files is there")
            let manifest = try await fixture.manifest()
            #expect(manifest["problems"].elements.count == 600)
        }
    }

    @Test("Workbook and manifest have the items as they were when the part was planned")
    func itemsOnce() async throws {
        try await PartFixture.with(items: 2) { fixture in
            let company = fixture.company
            _ = try await company.fill(company.items[0], files: 1)
            let export = try await company.export().id
            let plan = try await fixture.plan(try #require(try await company.parts(of: export).first))
            let changes = Query<NoRow>(
                """
                UPDATE items SET name = 'Other', attributes = '{"new": 1}',
                       deleted_at = CASE WHEN code = 'EQ-002' THEN now() END
                """
            )
            _ = try await company.database.run(changes())
            _ = try await fixture.write(plan)
            let items = try await fixture.manifest()["items"].elements
            #expect(items.compactMap { $0["code"].string } == ["EQ-001", "EQ-002"])
            #expect(items.compactMap { $0["name"].string } == ["Thing", "Thing"])
        }
    }
}

/// A company, and a volume of its own on which none of its files is.
struct PartFixture: Sendable {
    let company: CompanyFixture
    private let directory: URL
    private let planner: PartPlanner
    private let threads: BlockingThreads

    private var archive: String { directory.appending(path: "part.zip").path }
    private var work: String { directory.appending(path: "work").path }

    static func with(items: Int, _ body: (PartFixture) async throws -> Void) async throws {
        try await CompanyFixture.with(items: items) { company in
            let directory = FileManager.default.temporaryDirectory.appending(path: "part-\(UUID())")
            for name in ["main", "work"] {
                let path = directory.appending(path: name)
                try FileManager.default.createDirectory(at: path, withIntermediateDirectories: true)
            }
            defer { try? FileManager.default.removeItem(at: directory) }
            let main = StorageSettings.Location(name: "main", path: directory.appending(path: "main").path)
            let threads = BlockingThreads(name: "archives", count: 2)
            let storage = try await threads.run { () throws(StorageError) in
                try LocalStorage(settings: StorageSettings(volumes: [main], reserve: 0, threads: 2), logger: .quiet)
            }
            let parts = ExportPartRepository(company.database)
            let planner = PartPlanner(parts: parts, storage: storage, threads: threads)
            try await body(
                PartFixture(company: company, directory: directory, planner: planner, threads: threads)
            )
        }
    }

    private init(company: CompanyFixture, directory: URL, planner: PartPlanner, threads: BlockingThreads) {
        (self.company, self.directory, self.planner, self.threads) = (company, directory, planner, threads)
    }

    func plan(_ part: ExportPartSource) async throws -> PartPlan { try await planner.plan(part, in: work) }

    /// Writes its archive. `finished` is called for each file.
    func write(_ plan: PartPlan, finished: @escaping @Sendable () -> Void = {}) async throws -> PartWriter.Written {
        let descriptor = open(archive, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        try #require(descriptor >= 0)
        defer { close(descriptor) }
        let writer = PartWriter(plan: plan, planner: planner, workspace: work, threads: threads)
        let archive = ArchiveWriter(output: descriptor, settings: ArchiveSettings(), threads: threads)
        return try await writer.write(to: archive) { _ in finished() }
    }

    /// That of the archive that was written.
    func manifest() async throws -> JSONValue {
        try await run("unzip", "-tqq", archive)
        let text = try await run("unzip", "-p", archive, "manifest.json")
        return try JSONDecoder().decode(JSONValue.self, from: Data(text.utf8))
    }
}
