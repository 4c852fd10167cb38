import Foundation
import Models
import TestSupport
import Testing

@testable import ZipWorker

/// A directory with a workbook in it, gone after the test.
struct WorkbookFixture {
    /// When all workbooks of the tests say they were made.
    static let created = Date(timeIntervalSince1970: 1_717_171_717)

    let directory: String
    var path: String { "\(directory)/items.xlsx" }
    var temporary: String { "\(directory)/temporary" }

    static func with(_ body: (WorkbookFixture) async throws -> Void) async throws {
        let directory = FileManager.default.temporaryDirectory.appending(path: "tolva-workbook-\(UUID())")
        let fixture = WorkbookFixture(directory: directory.path)
        try FileManager.default.createDirectory(atPath: fixture.temporary, withIntermediateDirectories: true)
        do {
            try await body(fixture)
        } catch {
            try FileManager.default.removeItem(at: directory)
            throw error
        }
        try FileManager.default.removeItem(at: directory)
    }

    func writer(
        attributes: [String] = [],
        language: Export.Language = .en,
        limits: WorkbookLimits = WorkbookLimits()
    ) throws -> WorkbookWriter {
        try WorkbookWriter(
            path: path,
            temporaryDirectory: temporary,
            language: language,
            created: Self.created,
            attributeNames: attributes,
            limits: limits
        )
    }

    /// Writes a workbook of some items.
    func write(_ items: [Item], language: Export.Language = .en, limits: WorkbookLimits = WorkbookLimits()) throws {
        let names = Set(items.flatMap(\.attributes.keys))
        let writer = try writer(attributes: names.sorted(), language: language, limits: limits)
        for item in items { try writer.add(item, mediaFiles: 2) }
        try writer.finish()
    }

    /// Writes a workbook of some files.
    func write(_ rows: [MediaRecord], language: Export.Language = .en, limits: WorkbookLimits = WorkbookLimits()) throws
    {
        let writer = try writer(language: language, limits: limits)
        for row in rows { try writer.add(row) }
        try writer.finish()
    }

    func member(_ name: String) async throws -> String {
        try await run("unzip", "-p", path, name)
    }

    /// The last kilobyte of a member that may be large.
    func end(of name: String) async throws -> String {
        try await run("sh", "-c", "unzip -p \"$1\" \"$2\" | tail -c 1000", "sh", path, name)
    }

    /// The cells of a sheet by their addresses, each with the letter of its type: `s` text, `n` number, `b` boolean.
    func sheet(_ number: Int) async throws -> [String: String] {
        let xml = try await member("xl/worksheets/sheet\(number).xml")
        let cell = /<c r="([A-Z]+[0-9]+)"(?: s="[0-9]+")?(?: t="([A-Za-z]+)")?>(?:<is><t[^>]*>|<v>)([^<]*)</
        var cells: [String: String] = [:]
        for match in xml.matches(of: cell) {
            let type = ["inlineStr": "s", "b": "b"][String(match.2 ?? "")] ?? "n"
            cells[String(match.1)] = "\(type) \(match.3)"
        }
        #expect(cells.count == xml.matches(of: /<c r=/).count, "a cell of another kind, such as a formula")
        return cells
    }

    /// The targets of a sheet's links, in their order.
    func links(ofSheet number: Int) async throws -> [String] {
        let xml = try await member("xl/worksheets/_rels/sheet\(number).xml.rels")
        return xml.matches(of: /Target="([^"]*)" TargetMode="External"/).map { String($0.1) }
    }

    /// Files of this directory the process has open.
    func openFiles() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").compactMap {
            try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\($0)")
        }.filter { $0.contains(directory) }
    }
}

extension Item {
    static func sample(_ code: String, _ name: String = "", _ attributes: [String: JSONValue] = [:]) -> Item {
        let date = WorkbookFixture.created
        return Item(
            id: .new(),
            code: code,
            name: name,
            kind: "",
            attributes: attributes,
            createdAt: date,
            updatedAt: date
        )
    }
}

extension MediaRecord {
    /// A file of 5 GB that was uploaded half a second after `created`; without an entry where `entry` is nil.
    static func file(
        _ entry: String?,
        filename: String = "a.jpg",
        item: String? = "EQ-1",
        kind: Asset.Kind = .image,
        form: String = "compressed",
        asset: AssetID = .new(),
        problem: FileProblem? = nil
    ) -> MediaRecord {
        let sha256 = SHA256Digest(bytes: repeatElement(0xAB, count: 32))
        let content = sha256.map { ArchivedEntry.Content(bytes: 5_000_000_000, crc32: 0, sha256: $0) }
        return MediaRecord(
            planned: PartPlan.PlannedFile(
                asset: asset,
                item: nil,
                filename: filename,
                kind: kind,
                contentType: "image/jpeg",
                form: form,
                volume: "volume",
                source: ArchiveFile(
                    name: entry ?? "",
                    modified: WorkbookFixture.created + 0.5,
                    path: "",
                    sha256: sha256
                )
            ),
            itemCode: item,
            entry: ArchivedEntry(name: entry ?? "", content: entry == nil ? nil : content, problem: problem)
        )
    }
}
