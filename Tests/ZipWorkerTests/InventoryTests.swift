import Foundation
import Models
import Testing

@testable import ZipWorker

@Suite("The inventory of a part")
struct InventoryTests {
    private let uploaded = Date(timeIntervalSince1970: 1_717_171_717.5)

    private func manifest(
        items: [ManifestItem] = [],
        entries: [ManifestEntry] = [],
        problems: [FileProblem] = []
    ) -> String {
        var bytes: [UInt8] = []
        Manifest.write(part: 1, of: 2, items: items, entries: entries, problems: problems, in: .en) { bytes += $0 }
        return String(decoding: bytes, as: UTF8.self)
    }

    private func list(_ problems: [FileProblem], _ language: Export.Language) -> String {
        var bytes: [UInt8] = []
        ProblemList.write(problems, in: language) { bytes += $0 }
        return String(decoding: bytes, as: UTF8.self)
    }

    @Test("The manifest names what the part holds, in format 1")
    func format() throws {
        let asset = try #require(AssetID("018f2f6e-0000-7000-8000-000000000001"))
        let digest = try #require(SHA256Digest(bytes: repeatElement(0xAB, count: 32)))
        let text = manifest(
            items: [ManifestItem(code: "EQ-1", name: "Pump", folder: "EQ-1 Pump")],
            entries: [
                ManifestEntry(name: "items.xlsx", bytes: 7, sha256: digest),
                ManifestEntry(
                    name: "EQ-1 Pump/a.jpg",
                    bytes: 5_000_000_000,
                    sha256: digest,
                    asset: asset,
                    itemCode: "EQ-1",
                    kind: .image,
                    form: "original",
                    uploadedAt: uploaded
                ),
            ],
            problems: [
                FileProblem(entry: nil, filename: "b.jpg", itemCode: "EQ-1", problem: .missing),
                FileProblem(
                    entry: "procedures/c.pdf",
                    filename: "c.pdf",
                    itemCode: nil,
                    problem: .sizeDiffers(expected: 2, found: 1)
                ),
            ]
        )
        #expect(
            text == """
                {"format":1,"part":1,"parts":2,
                "items":[
                {"code":"EQ-1","name":"Pump","folder":"EQ-1 Pump"}],
                "entries":[
                {"name":"items.xlsx","bytes":7,"sha256":"\(digest)"},
                {"name":"EQ-1 Pump/a.jpg","bytes":5000000000,"sha256":"\(digest)","asset_id":"\(asset)","item":"EQ-1",\
                "kind":"image","form":"original","uploaded_at":"2024-05-31T16:08:37.500Z"}],
                "problems":[
                {"filename":"b.jpg","item":"EQ-1","problem":"missing","detail":"The file is no longer on the server."},
                {"name":"procedures/c.pdf","filename":"c.pdf","problem":"size_differs",\
                "detail":"The file has 1 bytes; it had 2 when it was uploaded."}]}

                """
        )
    }

    @Test("An empty part has a manifest too")
    func empty() throws {
        let json = try JSONDecoder().decode(JSONValue.self, from: Data(manifest().utf8))
        let expected: [String: JSONValue] = [
            "format": .integer(1), "part": .integer(1), "parts": .integer(2), "items": .array([]),
            "entries": .array([]), "problems": .array([]),
        ]
        #expect(json == .object(expected))
    }

    @Test(
        "The manifest is JSON whatever people wrote",
        arguments: [
            "\"\\/", "\u{0}\u{1}\t\r\n\u{1F}\u{7F}", "\u{2028}\u{2029}\u{FEFF}", "ñ 👨‍👩‍👧 \u{FFFE}", "</script>{{}}",
        ]
    )
    func anyText(name: String) throws {
        let text = manifest(items: [ManifestItem(code: name, name: name, folder: name)])
        let json = try JSONDecoder().decode(JSONValue.self, from: Data(text.utf8))
        let item: [String: JSONValue] = ["code": .string(name), "name": .string(name), "folder": .string(name)]
        let expected: [String: JSONValue] = [
            "format": .integer(1), "part": .integer(1), "parts": .integer(2), "items": .array([.object(item)]),
            "entries": .array([]), "problems": .array([]),
        ]
        #expect(json == .object(expected))
    }

    @Test("However many entries there are, they are written in small chunks")
    func chunks() throws {
        let digest = try #require(SHA256Digest(bytes: repeatElement(0, count: 32)))
        let entries = (0..<20_000).lazy.map { ManifestEntry(name: "f/\($0).jpg", bytes: 1, sha256: digest) }
        var largest = 0
        var lines = 0
        let none: [FileProblem] = []
        Manifest.write(part: 1, of: 1, items: [], entries: entries, problems: none, in: .es) { chunk in
            largest = max(largest, chunk.count)
            lines += chunk.count { $0 == UInt8(ascii: "\n") }
        }
        #expect(largest < 33 << 10)
        #expect(lines == 20_004)
    }

    @Test("When a chunk cannot be written, no more are made")
    func failure() {
        struct Full: Error, Equatable {}
        let problem = FileProblem(entry: nil, filename: "a.jpg", itemCode: "EQ-1", problem: .unreadable)
        var chunks = 0
        #expect(throws: Full()) {
            try ProblemList.write(repeatElement(problem, count: 10_000), in: .en) { (_) throws(Full) in
                chunks += 1
                throw Full()
            }
        }
        #expect(chunks == 1)
    }

    @Test("The list of problems says what happened to which file, and what to do")
    func problems() {
        let text = list(
            [
                FileProblem(entry: nil, filename: "IMG_0412.jpg", itemCode: "EQ-1", problem: .missing),
                FileProblem(
                    entry: "procedures/plan.pdf",
                    filename: "plan.pdf",
                    itemCode: nil,
                    problem: .checksumDiffers
                ),
            ],
            .en
        )
        #expect(
            text.split(separator: "\r\n", omittingEmptySubsequences: false) == [
                "\u{FEFF}The files below are lost or damaged. All other files of this ZIP are as they were uploaded.",
                "Tell the operator of the server, and ask whoever has the original to upload it again.",
                "",
                "Item: EQ-1",
                "File: IMG_0412.jpg",
                "In this ZIP: not included",
                "The file is no longer on the server. If it is found, make the export again.",
                "",
                "File: plan.pdf",
                "In this ZIP: procedures/plan.pdf",
                "The file is not the same as when it was uploaded: its checksum differs. "
                    + "What the server has is in this ZIP, but it may not open.",
                "",
            ]
        )
    }

    @Test("The list of problems is in the export's language")
    func spanish() {
        let problem = EntryProblem.sizeDiffers(expected: 10, found: 4)
        let text = list([FileProblem(entry: "a/ñ.jpg", filename: "ñ.jpg", itemCode: "EQ-1", problem: problem)], .es)
        #expect(text.contains("Elemento: EQ-1\r\nArchivo: ñ.jpg\r\nEn este ZIP: a/ñ.jpg\r\n"))
        #expect(text.contains("El archivo tiene 4 bytes; tenía 10 cuando se subió."))
    }

    @Test("A name cannot add lines to the list of problems")
    func forgedLines() {
        let name = "a\r\nFile: b\nFile: c\u{2028}File: d"
        let text = list([FileProblem(entry: nil, filename: name, itemCode: name, problem: .unreadable)], .en)
        #expect(text.split(separator: "\r\n").count { $0.hasPrefix("File: ") } == 1)
        #expect(!text.replacingOccurrences(of: "\r\n", with: "").utf8.contains(UInt8(ascii: "\n")))
    }
}
