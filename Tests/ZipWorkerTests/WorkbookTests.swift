import Foundation
import Models
import Testing

@testable import ZipWorker

@Suite("The workbook of a part")
struct WorkbookTests {
    @Test("An item is a row, its attributes are columns of their own kind")
    func items() async throws {
        try await WorkbookFixture.with { fixture in
            let attributes: [String: JSONValue] = [
                "a": .integer(42), "b": .number(0.25), "c": .bool(true), "d": .null, "e": .string("text"),
                "f": .array([.integer(1), .object(["y": .null, "x": .string("/")])]), "g": .integer(1 << 53 + 1),
                "h": .integer(-(1 << 53)), "i": .string(""), "j": .number(.infinity),
            ]
            try fixture.write([.sample("EQ-1", "Pump", attributes), .sample("EQ-2", "Crane", ["z": .bool(false)])])
            let cells = try await fixture.sheet(1)
            let headings = "ABCDEFGHIJKLMNO".map { cells["\($0)1"] ?? "" }
            let expected = ["Code", "Name", "Kind", "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "z", "Files"]
            #expect(headings == expected.map { "s \($0)" })
            #expect(
                cells.filter { $0.key.hasSuffix("2") } == [
                    "A2": "s EQ-1", "B2": "s Pump", "D2": "n 42", "E2": "n 0.25", "F2": "b 1", "H2": "s text",
                    "I2": "s [1,{\"x\":\"/\",\"y\":null}]", "J2": "s 9007199254740993", "K2": "n -9007199254740992",
                    "M2": "s inf", "O2": "n 2",
                ]
            )
            #expect(
                cells.filter { $0.key.hasSuffix("3") } == ["A3": "s EQ-2", "B3": "s Crane", "N3": "b 0", "O3": "n 2"]
            )
        }
    }

    @Test("A file is a row, with the time it was uploaded and a link to its entry")
    func media() async throws {
        try await WorkbookFixture.with { fixture in
            try fixture.write([.file("EQ-1 Pump/a.jpg"), .file(nil, problem: .missing)])
            let cells = try await fixture.sheet(2)
            // 31 May 2024, 16:08:37, in days since the end of 1899.
            let row = ["s EQ-1", "s a.jpg", "s compressed", "s image", "s image/jpeg", "n 5000000000"]
            #expect("ABCDEF".map { cells["\($0)2"] ?? "" } == row)
            #expect(cells["G2"] == "s " + String(repeating: "ab", count: 32))
            #expect(cells["H2"]?.hasPrefix("n 45443.67265") == true)
            #expect(cells["I2"] == "s EQ-1 Pump/a.jpg")
            #expect(cells["J2"] == nil)
            #expect(cells["I3"] == nil)
            #expect(cells["J3"] == "s The file is no longer on the server.")
            #expect(try await fixture.links(ofSheet: 2) == ["EQ-1%20Pump/a.jpg"])
        }
    }

    @Test("Sheets and headings are in the export's language, in view, and can be filtered")
    func headings() async throws {
        try await WorkbookFixture.with { fixture in
            try fixture.write([.file("a/a.jpg")], language: .es)
            let workbook = try await fixture.member("xl/workbook.xml")
            #expect(workbook.contains("name=\"Elementos\"") && workbook.contains("name=\"Archivos\""))
            #expect(try await fixture.sheet(1)["A1"] == "s Código")
            #expect(try await fixture.sheet(2)["C2"] == "s comprimido")
            let xml = try await fixture.member("xl/worksheets/sheet2.xml")
            #expect(xml.contains("topLeftCell=\"B2\"") && xml.contains("state=\"frozen\""))
            #expect(xml.contains("<autoFilter ref=\"A1:J2\"/>"))
        }
    }

    @Test(
        "A text is never a formula",
        arguments: ["=1+1", "+1", "-1", "@SUM(A1)", "=cmd|' /C calc'!A0", "{=1}", "1e5"]
    )
    func formulas(text: String) async throws {
        try await WorkbookFixture.with { fixture in
            try fixture.write([.sample(text, "", [text: .string(text)])])
            let cells = try await fixture.sheet(1)
            #expect([cells["A2"], cells["D1"], cells["D2"]] == Array(repeating: "s \(text)", count: 3))
        }
    }

    @Test(
        "Characters Excel refuses are dropped, and nothing else",
        arguments: [
            ("a\u{0}b\u{1}c\u{B}d\u{FFFE}\u{FFFF}", "abcd"), ("a\r\nb\rc\nd\te", "a\nb\nc\nd\te"),
            ("ñ 👨‍👩‍👧 \u{EFFE}", "ñ 👨‍👩‍👧 \u{EFFE}"), ("_x0041_", "_x005F_x0041_"),
            ("_x0041_x0042_", "_x005F_x0041_x005F_x0042_"),
            ("_x041_ _", "_x041_ _"), ("\u{0}", ""),
        ]
    )
    func characters(text: String, expected: String) {
        #expect(CellText.fitted(text, limit: 32_767, note: "…") == expected)
    }

    @Test("A text longer than a cell is cut with a note, never inside a character")
    func longText() async throws {
        #expect(CellText.fitted(String(repeating: "a", count: 10), limit: 10, note: "…") == "aaaaaaaaaa")
        #expect(CellText.fitted(String(repeating: "a", count: 11), limit: 10, note: "…") == "aaaaaaaaa…")
        #expect(CellText.fitted("aaaaaaaa🚚🚚", limit: 10, note: "…") == "aaaaaaaa…")
        #expect(CellText.fitted("aaaa_x0041_", limit: 10, note: "…") == "aaaa…")
        try await WorkbookFixture.with { fixture in
            try fixture.write([.sample("EQ-1", String(repeating: "🚚", count: 20_000))])
            let name = try #require(try await fixture.sheet(1)["B2"]?.dropFirst(2))
            #expect((32_760...32_767).contains(name.utf16.count))
            #expect(name.hasSuffix("🚚 … [cut: too long for a cell]"))
        }
    }

    @Test(
        "A link opens the entry whatever is in its name",
        arguments: [
            ("a b/ñ.jpg", "a%20b/ñ.jpg"), ("a/#1 100%.jpg", "a/%231%20100%25.jpg"), ("a/%20.jpg", "a/%2520.jpg"),
            ("a/x[1]{2}^`.jpg", "a/x%5B1%5D%7B2%7D%5E%60.jpg"), ("a/'(1)'+b,c;d=e@f!$.jpg", "a/'(1)'+b,c;d=e@f!$.jpg"),
            ("internal:a?b", "internal%3Aa%3Fb"), ("mailto:a", "mailto%3Aa"), ("a/👩‍👧.jpg", "a/👩‍👧.jpg"),
        ]
    )
    func links(entry: String, target: String) async throws {
        try await WorkbookFixture.with { fixture in
            try fixture.write([.file(entry)])
            #expect(try await fixture.links(ofSheet: 2) == [target])
            #expect(try await fixture.sheet(2)["I2"] == "s \(entry)")
        }
    }

    @Test("Beyond the number or the length of links Excel takes, an entry's name is plain text")
    func linkLimits() async throws {
        try await WorkbookFixture.with { fixture in
            let entries = ["a/" + String(repeating: "ñ", count: 1040), "a/1", "a/2", "a/3"]
            try fixture.write(entries.map { .file($0) }, limits: WorkbookLimits(links: 2))
            #expect(try await fixture.links(ofSheet: 2) == ["a/1", "a/2"])
            let cells = try await fixture.sheet(2)
            #expect((2...5).map { cells["I\($0)"] ?? "" } == entries.map { "s \($0)" })
        }
    }

    @Test("More rows than a sheet takes go on in another")
    func manyRows() async throws {
        try await WorkbookFixture.with { fixture in
            try fixture.write((1...5).map { .file("a/\($0)") }, limits: WorkbookLimits(rows: 3, links: 1))
            let workbook = try await fixture.member("xl/workbook.xml")
            #expect(workbook.matches(of: /sheet name="([^"]*)"/).map(\.1) == ["Items", "Media", "Media 2", "Media 3"])
            #expect(try await fixture.sheet(2)["I3"] == "s a/2")
            let second = try await fixture.sheet(3)
            #expect([second["I1"], second["I2"], second["I4"]] == ["s In this ZIP", "s a/3", nil])
            #expect(try await fixture.links(ofSheet: 3) == ["a/3"])
            #expect(try await fixture.sheet(4)["I2"] == "s a/5")
        }
    }

    @Test("More attributes than a sheet has columns are left out, and a heading says how many")
    func manyColumns() async throws {
        try await WorkbookFixture.with { fixture in
            let attributes = Dictionary(uniqueKeysWithValues: (10..<30).map { ("n\($0)", JSONValue.integer($0)) })
            try fixture.write([.sample("EQ-1", "", attributes)], limits: WorkbookLimits(columns: 8))
            let cells = try await fixture.sheet(1)
            #expect(cells["F1"] == "s n12")
            #expect(cells["G1"] == "s Files")
            #expect(cells["H1"] == "s 17 more attributes do not fit in a sheet")
            #expect(cells["F2"] == "n 12")
            #expect(cells["I1"] == nil)
        }
    }

    @Test("As many attributes as a sheet has columns for are all there", arguments: [8, 16_384])
    func exactColumns(columns: Int) async throws {
        try await WorkbookFixture.with { fixture in
            let numbers = 10_000..<(10_000 + Int64(columns) - 4)
            let attributes = Dictionary(uniqueKeysWithValues: numbers.map { ("n\($0)", JSONValue.integer($0)) })
            try fixture.write([.sample("EQ-1", "", attributes)], limits: WorkbookLimits(columns: columns))
            let end = try await fixture.end(of: "xl/worksheets/sheet1.xml")
            #expect(end.contains("<v>\(numbers.upperBound - 1)</v>"))
            #expect(end.contains(columns == 8 ? "<c r=\"H2\"" : "<c r=\"XFD2\""))
        }
    }

    @Test("The same rows give the same bytes, and the clock is not in them")
    func deterministic() async throws {
        try await WorkbookFixture.with { fixture in
            let rows: [MediaRecord] = (1...50).map { .file("a/\($0)") }
            try fixture.write(rows)
            let first = try Data(contentsOf: URL(filePath: fixture.path))
            try fixture.write(rows)
            #expect(try Data(contentsOf: URL(filePath: fixture.path)) == first)
            let times = try await fixture.member("docProps/core.xml").matches(of: /W3CDTF">([^<]*)</).map(\.1)
            #expect(times == ["2024-05-31T16:08:37Z", "2024-05-31T16:08:37Z"])
        }
    }
}
