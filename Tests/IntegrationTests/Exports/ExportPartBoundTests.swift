import Database
import Foundation
import Models
import Repositories
import TestSupport
import Testing

@testable import Jobs
@testable import ZipWorker

/// How the files of an export are cut into parts.
@Suite("The bounds of a part")
struct ExportPartBoundTests {
    @Test("An item with more files than a part's bound is in several parts, each of its files in one of them")
    func files() async throws {
        try await CompanyFixture.with(items: 3) { fixture in
            let first = try await fixture.fill(fixture.items[0], files: 2)
            let second = try await fixture.fill(fixture.items[1], files: 7)
            let third = try await fixture.fill(fixture.items[2], files: 1)
            var order = fixture.order()
            order.filesPerPart = 3
            let export = try await fixture.requested(order).export
            #expect(export.parts.map(\.items) == [2, 1, 1, 1])
            #expect(export.parts.map(\.continues) == [true, true, false, false])
            #expect(export.items == 3)

            let parts = try await fixture.parts(of: export.id)
            let files = try await fixture.files(of: parts)
            #expect(files.map(\.count) == [3, 3, 3, 1])
            #expect(files.flatMap(\.self) == first + second + third)
            #expect(parts.map { $0.begins(inside: fixture.items[1]) } == [false, true, true, false])
            #expect(parts.map { $0.ends(inside: fixture.items[1]) } == [true, true, false, false])
        }
    }

    @Test("A part has no more bytes than its bound, unless one file alone has more")
    func bytes() async throws {
        try await CompanyFixture.with(items: 4) { fixture in
            let sizes: [[Int64]] = [[40 << 20, 40 << 20, 40 << 20], [300 << 20], [1 << 20], [1 << 20]]
            var assets: [AssetID] = []
            for (item, sizes) in zip(fixture.items, sizes) {
                for size in sizes { assets += try await fixture.fill(item, files: 1, bytes: size) }
            }
            var order = fixture.order()
            order.bytesPerPart = 100 << 20
            let export = try await fixture.requested(order).export
            let files = try await fixture.files(of: try await fixture.parts(of: export.id))
            #expect(files.map(\.count) == [2, 1, 1, 2])
            #expect(files.flatMap(\.self) == assets)
            // What an archive has beside its files counts too: two files of half the bound each do not fit.
            order.bytesPerPart = 80 << 20
            let smaller = try await fixture.requested(order).export
            #expect(
                try await fixture.files(of: try await fixture.parts(of: smaller.id)).map(\.count) == [1, 1, 1, 1, 2]
            )
        }
    }

    @Test("Renditions count as the files they are; one that is still being made counts as twice its original")
    func renditions() async throws {
        try await CompanyFixture.with(items: 1) { fixture in
            let assets = try await fixture.fill(fixture.items[0], files: 4, bytes: 10 << 20)
            for asset in assets.prefix(2) {
                _ = try await fixture.database.transaction([AssetRepository.add(.compressed, to: asset)])
            }
            var order = fixture.order(.all, .init(media: .both))
            order.filesPerPart = 4
            let both = try await fixture.requested(order).export
            #expect(try await fixture.files(of: try await fixture.parts(of: both.id)).map(\.count) == [2, 2])

            order = fixture.order(.all, .init(media: .compressed))
            order.bytesPerPart = 25 << 20
            let compressed = try await fixture.requested(order).export
            #expect(try await fixture.files(of: try await fixture.parts(of: compressed.id)).map(\.count) == [3, 1])
        }
    }

    @Test("Items without files stand in the workbook only: 69 items with files among them make two parts")
    func itemsWithoutFiles() async throws {
        try await CompanyFixture.with(items: 100) { fixture in
            // Two of three are filled, and three more.
            for (number, item) in fixture.items.enumerated() where number % 3 != 0 || number < 7 {
                _ = try await fixture.fill(item, files: 1)
            }
            let export = try await fixture.requested().export
            #expect(export.parts.count == 2)
            #expect(export.items == 100)
            let files = try await fixture.files(of: try await fixture.parts(of: export.id))
            #expect(files.map(\.count) == [35, 34])
        }
        try await CompanyFixture.with(items: 100) { fixture in
            let export = try await fixture.requested().export
            #expect(export.parts.map(\.items) == [100])
        }
    }

    @Test("Every attempt takes the same files: those there when the export was asked for, in the part they were put in")
    func fixed() async throws {
        try await CompanyFixture.with(items: 2) { fixture in
            let assets = try await fixture.fill(fixture.items[0], files: 5)
            var order = fixture.order()
            order.filesPerPart = 2
            let export = try await fixture.requested(order).export
            let parts = try await fixture.parts(of: export.id)
            _ = try await fixture.fill(fixture.items[0], files: 2)
            _ = try await fixture.fill(fixture.items[1], files: 2)
            _ = try await AssetRepository(fixture.database).delete(assets[1], in: fixture.company)
            let files = try await fixture.files(of: parts)
            #expect(files == [[assets[0]], [assets[2], assets[3]], [assets[4]]])
        }
    }

    @Test(
        "Procedures are in every part; those that would fill more than half of one stand once, in as many as they need"
    )
    func procedures() async throws {
        try await CompanyFixture.with(items: 2) { fixture in
            let media = try await fixture.fill(fixture.items[0], files: 5)
            var papers: [AssetID] = []
            for number in 1...3 {
                let file = try fixture.file(named: "\(number).pdf", kind: .document)
                papers += try await fixture.accept([file], on: nil).map(\.id)
            }
            var order = fixture.order()
            order.filesPerPart = 6
            let export = try await fixture.requested(order).export
            let files = try await fixture.files(of: try await fixture.parts(of: export.id))
            #expect(files == [Array(media.prefix(3)) + papers, Array(media.suffix(2)) + papers])

            order.filesPerPart = 2
            let small = try await fixture.requested(order).export
            #expect(small.parts.map(\.items) == [1, 1, 2, 0])
            let parts = try await fixture.parts(of: small.id)
            #expect(
                try await fixture.files(of: parts) == [
                    [media[0], media[1]], [media[2], media[3]], [media[4], papers[0]], [papers[1], papers[2]],
                ]
            )
            #expect(parts.last?.procedureFolder.name == "procedures (part 4)")
        }
    }

    @Test("The room that a worker asks for is no less than the bytes by which parts are cut")
    func room() async throws {
        try await PartFixture.with(items: 3) { parts in
            let fixture = parts.company
            _ = try await fixture.fill(fixture.items[0], files: 400)
            for item in [fixture.items[1], nil] {
                let paper = try fixture.file(named: "\(UUID())", kind: .document, bytes: 1 << 30)
                _ = try await fixture.accept([paper], on: item)
            }
            let attributes = Query<NoRow>("UPDATE items SET attributes = jsonb_build_object('a', repeat('x', 1000000))")
            _ = try await fixture.database.run(attributes())
            var order = fixture.order(.all, .init(media: .originals))
            order.bytesPerPart = 1 << 40
            let whole = try await fixture.requested(order).export
            let plan = try await parts.plan(try #require(try await fixture.parts(of: whole.id).first))
            order.bytesPerPart = plan.bytes + plan.overhead
            #expect(try await fixture.requested(order).export.parts.count == 1)
            // The procedures would fill more than half of this one, and be apart from the rest.
            order.bytesPerPart = plan.bytes
            #expect(try await fixture.requested(order).export.parts.count > 1)
        }
    }

    @Test("Many files are read page by page, each once and in order")
    func pages() async throws {
        try await CompanyFixture.with(items: 4) { fixture in
            var assets: [AssetID] = []
            for (item, count) in zip(fixture.items, [500, 0, 700, 30]) {
                assets += try await fixture.fill(item, files: count)
            }
            let part = try #require(try await fixture.parts(of: try await fixture.export().id).first)
            var pages = ExportPartRepository(fixture.database).assets(of: part)
            var read: [AssetID] = []
            while let page = try await pages.next() {
                #expect(page.count <= 500)
                read += page.map(\.id)
            }
            #expect(read == assets)
        }
    }
}

extension Integration {
    @Suite struct LargeParts {
        @Test(
            "A part of more files than are read at once, some of them lost, has every one in archive, workbook and manifest"
        )
        func pages() async throws {
            try await TestStack.with(.zipWorker, isSoundAtEnd: false) { stack in
                let item = try await stack.client.makeItem(code: "EQ-1")
                let base = try Data(contentsOf: try await stack.quickPhoto("base-photo.jpg", bytes: 3000))
                for request in 0..<21 {
                    let files = try (0..<30).map {
                        try stack.file("\(request)-\($0).jpg", base + Data("\(request) \($0)".utf8))
                    }
                    #expect(try await stack.client.upload(files, to: item).status == 201)
                }
                // One of the first page and one of the last.
                let rows = try await stack.database.run(
                    Query<Value<String>>("SELECT sha256 AS value FROM assets ORDER BY id")()
                )
                try #require(rows.count == 630)
                for row in [rows[3], rows[620]] {
                    let path = try #require(stack.files.first { $0.hasSuffix(row.value) })
                    try FileManager.default.removeItem(at: stack.media.appending(path: path))
                }
                let id = try await stack.requestExport()
                let export = try await stack.endedExport(id)
                #expect(export["status"] == "ready", "\(export)")
                let part = try #require(export["parts"].elements.first)
                #expect(part["problem_count"].integer == 2)
                #expect(part["problems"].elements.compactMap { $0["filename"].string } == ["0-3.jpg", "20-20.jpg"])
                let archive = try await stack.download(id, part: 1)
                try await run("unzip", "-tqq", archive.path)
                let directory = try await stack.extract(archive)
                let manifest = try manifest(in: directory)
                #expect(manifest["entries"].elements.count { $0["asset_id"].string != nil } == 628)
                #expect(manifest["problems"].elements.count == 2)
                let book = directory.appending(path: "items.xlsx").path
                let sheet = try await run("unzip", "-p", book, "xl/worksheets/sheet2.xml")
                #expect(sheet.components(separatedBy: "<row ").count == 632)
            }
        }
    }
}

extension CompanyFixture {
    /// New assets of an item, in their order.
    func fill(_ item: ItemID, files count: Int, bytes: Int64 = 1) async throws -> [AssetID] {
        guard count > 0 else { return [] }
        let files = try (0..<count).map { _ in try file(named: UUID().uuidString, bytes: bytes) }
        return try await accept(files, on: item).map(\.id)
    }

    func parts(of export: ExportID) async throws -> [ExportPartSource] {
        let ids = try await database.run(
            Query<Value<UUID>>("SELECT id AS value FROM export_parts WHERE export_id = $1 ORDER BY number")(export)
        )
        var parts: [ExportPartSource] = []
        for id in ids {
            let part = try await ExportPartRepository(database).source(ExportPartID(rawValue: id.value))
            parts.append(try #require(part))
        }
        return parts
    }

    /// The assets each part takes.
    fileprivate func files(of parts: [ExportPartSource]) async throws -> [[AssetID]] {
        var files: [[AssetID]] = []
        for part in parts {
            var pages = ExportPartRepository(database).assets(of: part)
            var assets: [AssetID] = []
            while let page = try await pages.next() { assets += page.map(\.id) }
            files.append(assets)
        }
        return files
    }
}

extension Rendition {
    fileprivate static let compressed = Rendition(
        name: "compressed",
        contentType: "image/jpeg",
        bytes: 1 << 20,
        width: 1,
        height: 1,
        volume: "main",
        path: "renditions/1"
    )
}
