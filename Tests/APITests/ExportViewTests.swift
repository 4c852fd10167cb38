import Foundation
import Models
import Testing

@testable import API

@Suite("Exports in the API's words")
struct ExportViewTests {
    private let id = ExportID.new()
    /// 2026-11-21T23:59:59Z
    private let moment = Date(timeIntervalSince1970: 1_795_305_599)

    private func archive(_ number: Int, bytes: Int64) -> ExportPart.Archive {
        let problem = ExportProblem(item: nil, filename: "Manual.pdf", detail: "It is damaged.")
        return ExportPart.Archive(
            volume: "main",
            path: "exports/ab/\(id)/\(number)-3.zip",
            bytes: bytes,
            seconds: 1.5,
            problems: [problem],
            problemCount: 120
        )
    }

    private func part(
        _ number: Int,
        _ status: Export.Status,
        progress: Double,
        error: String? = nil,
        bytes: Int64? = nil
    ) -> ExportPart {
        ExportPart(
            number: number,
            status: status,
            progress: progress,
            items: number == 1 ? 35 : 5,
            error: error,
            archive: bytes.map { archive(number, bytes: $0) }
        )
    }

    @Test(
        "A part has no fewer items than none and no more than all, whatever its row says",
        arguments: [1e300, -1, 0.5]
    )
    func items(progress: Double) {
        #expect(part(1, .processing, progress: progress).itemsDone == [1e300: 35, -1: 0, 0.5: 17][progress])
    }

    private func export(_ status: Export.Status, _ parts: [ExportPart], language: Export.Language = .en) -> Export {
        Export(
            id: id,
            company: .new(),
            options: Export.Options(language: language),
            status: status,
            parts: parts,
            positionInQueue: nil,
            createdAt: moment,
            finishedAt: nil,
            expiresAt: nil
        )
    }

    private func json(_ export: Export) throws -> [String: JSONValue] {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        return try JSONDecoder().decode([String: JSONValue].self, from: encoder.encode(ExportView(export)))
    }

    @Test("A part counts towards the progress as its items do")
    func progress() {
        let view = ExportView(
            export(.processing, [part(1, .ready, progress: 1, bytes: 7), part(2, .queued, progress: 0)])
        )
        #expect(view.progress == 35.0 / 40)
        #expect(view.itemsDone == 35)
        #expect(view.itemsTotal == 40)
        #expect(view.bytes == 7)
    }

    @Test("An item whose files are in several parts is counted once, where its last file is")
    func spanning() {
        func part(_ number: Int, items: Int, continues: Bool, progress: Double) -> ExportPart {
            ExportPart(
                number: number,
                status: progress == 1 ? .ready : .queued,
                progress: progress,
                items: items,
                continues: continues,
                error: nil,
                archive: nil
            )
        }
        let parts = [
            part(1, items: 3, continues: true, progress: 1), part(2, items: 1, continues: true, progress: 1),
            part(3, items: 2, continues: false, progress: 0),
        ]
        let view = ExportView(export(.processing, parts))
        #expect(view.itemsTotal == 4)
        #expect(view.itemsDone == 2)
        #expect(view.progress == 4.0 / 6)
        #expect(view.parts.map(\.continues) == [true, true, false])
    }

    @Test("An archive has an address, a size and its problems, as long as it is there")
    func archives() {
        let ready = ExportView(export(.ready, [part(1, .ready, progress: 1, bytes: 7)])).parts[0]
        #expect(ready.url == "/v1/exports/\(id)/parts/1/content")
        #expect(ready.problems.map(\.filename) == ["Manual.pdf"])
        #expect(ready.problemCount == 120)
        let expired = ExportView(export(.expired, [part(1, .expired, progress: 1)]))
        #expect(expired.bytes == nil)
        #expect(expired.parts[0].url == nil)
        #expect(expired.parts[0].problemCount == 0)
    }

    @Test("What is not known yet is null, not left out")
    func nulls() throws {
        let export = try json(export(.queued, [part(1, .queued, progress: 0)]))
        for name in ["bytes", "position_in_queue", "finished_at", "expires_at"] { #expect(export[name] == .null) }
        guard case .array(let parts) = export["parts"], case .object(let part) = parts.first else {
            Issue.record("There are no parts.")
            return
        }
        for name in ["bytes", "seconds", "url", "error"] { #expect(part[name] == .null) }
    }

    @Test("An archive's name says the day and which part it is, in the export's language")
    func names() {
        let whole = part(1, .ready, progress: 1, bytes: 7)
        let second = part(2, .ready, progress: 1, bytes: 7)
        #expect(export(.ready, [whole]).filename(of: whole) == "export 2026-11-21.zip")
        #expect(export(.ready, [whole, second]).filename(of: second) == "export 2026-11-21 2 of 2.zip")
        #expect(export(.ready, [whole], language: .es).filename(of: whole) == "exportación 2026-11-21.zip")
        #expect(
            export(.ready, [whole, second], language: .es).filename(of: second) == "exportación 2026-11-21 2 de 2.zip"
        )
    }

    @Test("Another attempt's archive has another tag, and so has another part's")
    func tags() {
        #expect(archive(1, bytes: 7).entityTag.header == "\"\(id)-1-3\"")
        #expect(archive(2, bytes: 7).entityTag.header == "\"\(id)-2-3\"")
    }
}
