import Foundation
import Models
import Testing

@testable import ZipWorker

@Suite("Records that wait for the end of an archive")
struct RecordFileTests {
    @Test("They come back as they were, as often as they are read, in memory or not", arguments: [0, 3, 250, 10_000])
    func order(capacity: Int) async throws {
        try await WorkbookFixture.with { fixture in
            let file = try RecordFile<MediaRecord>(in: fixture.directory, keeping: capacity)
            let names = (0..<300).map { "a/\($0) \"ñ\n\u{2028}" + String(repeating: "x", count: $0 * 17) }
            for start in stride(from: 0, to: 300, by: 100) {
                try file.append(
                    names[start..<(start + 100)].map { .file($0, problem: .sizeDiffers(expected: 2, found: 1)) }
                )
            }
            for _ in 1...2 {
                let records = Array(file.records)
                #expect(records.map(\.entryName) == names)
                #expect(records.allSatisfy { $0.bytes == 5_000_000_000 && $0.sha256 != nil })
                #expect(records.allSatisfy { $0.problem == .sizeDiffers(expected: 2, found: 1) })
                #expect(records.allSatisfy { $0.planned.source.modified == WorkbookFixture.created + 0.5 })
            }
            try file.check()
            #expect(try FileManager.default.contentsOfDirectory(atPath: fixture.directory) == ["temporary"])
        }
    }

    @Test("An item keeps its attributes")
    func attributes() async throws {
        try await WorkbookFixture.with { fixture in
            let file = try RecordFile<PartPlan.PlannedItem>(in: fixture.directory, keeping: 0)
            let attributes: [String: JSONValue] = [
                "a": .number(1.5), "b": .array([.null, .bool(true)]), "c": .integer(7),
            ]
            let item = Item.sample("EQ-1", "Pump", attributes)
            var names = EntryNames()
            try file.append([.init(item: item, folder: names.folder(for: item), continuedFrom: 1)])
            let read = try #require(Array(file.records).first)
            #expect(read.item == item)
            #expect(read.folder.name == "EQ-1 Pump")
            #expect(read.continuedFrom == 1 && read.continuesIn == nil)
        }
    }

    @Test(
        "What cannot be read back is told with its cause, not left out in silence",
        arguments: [(true, "read"), (false, "decoding a record (")]
    )
    func damaged(isCut: Bool, words: String) async throws {
        try await WorkbookFixture.with { fixture in
            let file = try RecordFile<MediaRecord>(in: fixture.directory, keeping: 0)
            try file.append((0..<10).map { .file("a/\($0)") })
            let open = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").first {
                let target = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\($0)")
                return target?.hasPrefix("\(fixture.directory)/records-") == true
            }
            let descriptor = try #require(open)
            let handle = try #require(FileHandle(forWritingAtPath: "/proc/self/fd/\(descriptor)"))
            if isCut { try handle.truncate(atOffset: 100) } else { try handle.write(contentsOf: Data("x".utf8)) }
            try handle.close()
            #expect(Array(file.records).isEmpty)
            let error = #expect(throws: ArchiveError.self) { try file.check() }
            #expect(error?.description.contains(words) == true, "\(error?.description ?? "")")
        }
    }
}
