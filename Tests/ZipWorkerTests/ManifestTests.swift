import Foundation
import Models
import Testing

@testable import ZipWorker

@Suite("Manifest and list of problems")
struct ManifestTests {
    private func manifest(
        items: [PartPlan.PlannedItem] = [],
        media: [MediaRecord] = [],
        added: [ArchivedEntry] = []
    ) -> String {
        var bytes: [UInt8] = []
        Manifest.write(part: 1, of: 2, items: items, media: media, added: added, in: .en) { bytes += $0 }
        return String(decoding: bytes, as: UTF8.self)
    }

    private func planned(_ code: String, _ name: String) -> PartPlan.PlannedItem {
        var names = EntryNames()
        let item = Item.sample(code, name)
        return PartPlan.PlannedItem(item: item, folder: names.folder(for: item))
    }

    private func list(_ media: [MediaRecord], _ language: Export.Language = .en) -> String {
        var text = ""
        ProblemList.write(media, in: language) { text += $0 }
        return text
    }

    @Test("The manifest names what the part holds, in format 1")
    func format() throws {
        let asset = try #require(AssetID("018f2f6e-0000-7000-8000-000000000001"))
        let digest = try #require(SHA256Digest(bytes: repeatElement(0xAB, count: 32)))
        let content = ArchivedEntry.Content(bytes: 7, crc32: 0, sha256: digest)
        let text = manifest(
            items: [planned("EQ-1", "Pump")],
            media: [
                .file("EQ-1 Pump/a.jpg", form: "original", asset: asset),
                .file(nil, filename: "b.jpg", problem: .missing),
                .file(
                    "procedures/c.pdf",
                    filename: "c.pdf",
                    item: nil,
                    kind: .document,
                    form: "original",
                    asset: asset,
                    problem: .sizeDiffers(expected: 2, found: 1)
                ),
            ],
            added: [ArchivedEntry(name: "items.xlsx", content: content, problem: nil)]
        )
        #expect(
            text == """
                {"format":1,"part":1,"parts":2,
                "items":[
                {"code":"EQ-1","name":"Pump","folder":"EQ-1 Pump"}],
                "entries":[
                {"name":"EQ-1 Pump/a.jpg","bytes":5000000000,"sha256":"\(digest)","asset_id":"\(asset)","item":"EQ-1",\
                "kind":"image","form":"original","uploaded_at":"2024-05-31T16:08:37.500Z"},
                {"name":"procedures/c.pdf","bytes":5000000000,"sha256":"\(digest)","asset_id":"\(asset)",\
                "kind":"document","form":"original","uploaded_at":"2024-05-31T16:08:37.500Z"},
                {"name":"items.xlsx","bytes":7,"sha256":"\(digest)"}],
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
    func anyText(text: String) throws {
        let item = planned(text, text)
        let json = try JSONDecoder().decode(JSONValue.self, from: Data(manifest(items: [item]).utf8))
        let members: [String: JSONValue] = [
            "code": .string(text), "name": .string(text), "folder": .string(item.folder.name),
        ]
        let expected: [String: JSONValue] = [
            "format": .integer(1), "part": .integer(1), "parts": .integer(2), "items": .array([.object(members)]),
            "entries": .array([]), "problems": .array([]),
        ]
        #expect(json == .object(expected))
    }

    @Test("However many entries there are, they are written one by one")
    func pieces() throws {
        let media = (0..<20_000).lazy.map { MediaRecord.file("f/\($0).jpg") }
        var largest = 0
        var lines = 0
        Manifest.write(part: 1, of: 1, items: [], media: media, added: [], in: .es) { piece in
            largest = max(largest, piece.count)
            lines += piece.count { $0 == UInt8(ascii: "\n") }
        }
        #expect(largest < 1 << 10)
        #expect(lines == 20_004)
    }

    @Test("When a piece cannot be written, no more are made")
    func failure() {
        struct Full: Error, Equatable {}
        let problem = MediaRecord.file(nil, problem: .unreadable)
        var pieces = 0
        #expect(throws: Full()) {
            try ProblemList.write(repeatElement(problem, count: 10_000), in: .en) { (_) throws(Full) in
                pieces += 1
                throw Full()
            }
        }
        #expect(pieces == 1)
    }

    @Test("The list of problems says what happened to which file, and what to do")
    func problems() {
        let text = list([
            .file(nil, filename: "IMG_0412.jpg", problem: .missing),
            .file("EQ-1/whole.jpg"),
            .file("procedures/plan.pdf", filename: "plan.pdf", item: nil, problem: .checksumDiffers),
        ])
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
        let problem = FileProblem.sizeDiffers(expected: 10, found: 4)
        let text = list([.file("a/ñ.jpg", filename: "ñ.jpg", problem: problem)], .es)
        #expect(text.contains("Elemento: EQ-1\r\nArchivo: ñ.jpg\r\nEn este ZIP: a/ñ.jpg\r\n"))
        #expect(text.contains("El archivo tiene 4 bytes; tenía 10 cuando se subió."))
    }

    @Test("A name cannot add lines to the list of problems")
    func forgedLines() {
        let name = "a\r\nFile: b\nFile: c\u{2028}File: d"
        let text = list([.file(nil, filename: name, item: name, problem: .unreadable)])
        #expect(text.split(separator: "\r\n").count { $0.hasPrefix("File: ") } == 1)
        #expect(!text.replacingOccurrences(of: "\r\n", with: "").utf8.contains(UInt8(ascii: "\n")))
    }
}
