import Foundation
import Testing

@testable import ZipWorker

@Suite("A workbook that does not come to its end")
struct WorkbookFaultTests {
    @Test("An abandoned workbook leaves no file behind, on the disk or open")
    func abandoned() async throws {
        try await WorkbookFixture.with { fixture in
            do {
                let writer = try fixture.writer()
                for number in 0..<1000 { try writer.add(.file("a/\(number)")) }
                #expect(try !fixture.openFiles().isEmpty)
            }
            #expect(try fixture.openFiles().isEmpty)
            #expect(try FileManager.default.contentsOfDirectory(atPath: fixture.temporary).isEmpty)
            #expect(!FileManager.default.fileExists(atPath: fixture.path))
        }
    }

    @Test("A finished workbook leaves nothing but itself")
    func finished() async throws {
        try await WorkbookFixture.with { fixture in
            try fixture.write([.file("a/1")])
            #expect(try fixture.openFiles().isEmpty)
            #expect(try FileManager.default.contentsOfDirectory(atPath: fixture.temporary).isEmpty)
        }
    }

    @Test("A finished workbook takes no more rows, and ends once")
    func closed() async throws {
        try await WorkbookFixture.with { fixture in
            let writer = try fixture.writer()
            try writer.finish()
            let finished = WorkbookError.invalid("the workbook is finished")
            #expect(throws: finished) { try writer.add(.file("a/1")) }
            #expect(throws: finished) { try writer.add(.sample("EQ-1"), mediaFiles: 0) }
            #expect(throws: finished) { try writer.finish() }
            try WorkbookCheck.check(fixture.path, rows: [1, 1])
        }
    }

    @Test("A place that is not there is known before the first row")
    func noPlace() async throws {
        try await WorkbookFixture.with { fixture in
            let nowhere = WorkbookFixture(directory: "\(fixture.directory)/nowhere")
            #expect(throws: WorkbookError.io(ENOENT)) { try nowhere.writer() }
            try FileManager.default.removeItem(atPath: fixture.temporary)
            #expect(throws: WorkbookError.io(ENOENT)) { try fixture.writer() }
            #expect(!FileManager.default.fileExists(atPath: fixture.path))
        }
    }

    @Test("A workbook that is cut, or lacks a row, is not taken for whole")
    func cut() async throws {
        try await WorkbookFixture.with { fixture in
            try fixture.write((1...2000).map { .file("a/\($0)") })
            try WorkbookCheck.check(fixture.path, rows: [1, 2001])
            let lacking = #expect(throws: WorkbookError.self) {
                try WorkbookCheck.check(fixture.path, rows: [1, 2002])
            }
            #expect("\(lacking as Any)".contains("does not have 2002 rows"))
            let bytes = try Data(contentsOf: URL(filePath: fixture.path))
            try bytes.prefix(bytes.count / 2).write(to: URL(filePath: fixture.path))
            let cut = #expect(throws: WorkbookError.self) { try WorkbookCheck.check(fixture.path, rows: [1, 2001]) }
            guard case .invalid = cut else {
                Issue.record("\(cut as Any)")
                return
            }
        }
    }

    @Test(
        "XML that lacks its end or a piece of its middle is not whole",
        arguments: [
            ("<?xml version=\"1.0\"?>\n<a><row r=\"1\"><c/>x</row><row r=\"2\"/></a>", true),
            ("<?xml version=\"1.0\"?>\n<a><row r=\"1\"><c/>x</row><row r=\"2\"/>", false),
            ("<a><row r=\"1\"><c/>x</row><row r=\"2\"", false), ("<a>x</a></a>", false), ("<a><c r=\"1<d/></a>", false),
            ("<a>\"/></a>", false), ("", false), ("<a><rows/></a>", true),
        ]
    )
    func markup(xml: String, isWhole: Bool) {
        var count = MarkupCount()
        // In pieces of one byte: what counts may lie across two chunks.
        for byte in xml.utf8 { withUnsafePointer(to: byte) { count.read(UnsafeBufferPointer(start: $0, count: 1)) } }
        #expect(count.isWhole == isWhole)
        #expect(count.rows == xml.components(separatedBy: "<row ").count - 1 - (xml.hasSuffix("r=\"2\"") ? 1 : 0))
    }
}
