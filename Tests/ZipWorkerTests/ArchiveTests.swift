import Foundation
import Models
import Testing

@testable import ZipWorker

@Suite("Archives")
struct ArchiveTests {
    /// Around the sizes at which something changes: nothing, a block, a chunk.
    private static let sizes = [0, 1, 4095, 4096, 4097, 70_000, 1 << 20, 1 << 20 | 1, 3_000_001]

    private func mixedFiles(_ fixture: ArchiveFixture) throws -> [ArchiveFile] {
        var files = try Self.sizes.enumerated().map { index, size in
            try fixture.file(
                "EQ-001 Balanza/foto \(index) – ñandú 🐘.jpg",
                .noise(size, seed: UInt64(size)),
                modified: .someDay + Double(index * 86_402)
            )
        }
        files.insert(try fixture.file("procedures/guía.txt", .text(300_000), mayDeflate: true), at: 3)
        files.append(try fixture.file("procedures/empty.txt", [], mayDeflate: true))
        files.append(try fixture.file("procedures/tight.pdf", .noise(50_000), mayDeflate: true))
        return files
    }

    @Test("Independent programs read every entry and give back its bytes and its time")
    func readByOthers() async throws {
        try await ArchiveFixture.with { fixture in
            let files = try mixedFiles(fixture)
            let (archive, entries) = try await fixture.archive { writer in
                let entries = try await writer.add(files)
                _ = try await writer.add("manifest.json", modified: .someDay) { $0.append("{\"format\": 1}\n") }
                return entries
            }
            #expect(entries.allSatisfy { $0.isIncluded && $0.problem == nil })
            try await fixture.check(archive)
            for (program, option) in [("bsdtar", "-C"), ("unzip", "-d")] {
                let target = fixture.path("by \(program)")
                try FileManager.default.createDirectory(atPath: target, withIntermediateDirectories: false)
                if program == "bsdtar" {
                    try await fixture.run(program, "-xf", archive.path, option, target)
                } else {
                    try await fixture.run(program, "-qq", archive.path, option, target)
                }
                for file in files {
                    let extracted = "\(target)/\(file.name)"
                    let original = try Data(contentsOf: URL(filePath: file.path))
                    #expect(try Data(contentsOf: URL(filePath: extracted)) == original)
                    let attributes = try FileManager.default.attributesOfItem(atPath: extracted)
                    #expect(attributes[.modificationDate] as? Date == file.modified)
                }
            }
        }
    }

    @Test("Every entry's data begins at a multiple of 4096, and its local header tells true sizes and sums")
    func headers() async throws {
        try await ArchiveFixture.with { fixture in
            let files = try mixedFiles(fixture)
            let (archive, entries) = try await fixture.archive { writer in
                let entries = try await writer.add(files)
                return entries + [try await writer.add("a.txt", modified: .someDay) { $0.append("text") }]
            }
            #expect(archive.entries.count == files.count + 1)
            #expect(archive.listed == archive.entries)
            #expect(archive.dataOffsets.allSatisfy { $0.isMultiple(of: 4096) })
            // Nothing but the bit for UTF-8: no data descriptors.
            #expect(archive.entries.allSatisfy { $0.flags == 1 << 11 && $0.version == 20 && !$0.hasLargeField })
            #expect(!archive.hasLargeEnd)
            for entry in entries {
                let content = try #require(entry.content)
                #expect(try archive.entry(entry.name).crc32 == content.crc32)
                #expect(try archive.entry(entry.name).bytes == UInt64(content.bytes))
            }
        }
    }

    @Test("Text is deflated behind the stored entries; what would not shrink is stored")
    func deflation() async throws {
        try await ArchiveFixture.with { fixture in
            let text = [UInt8].text(2_000_000)
            // A header that deflates well, as many formats have, with photos behind it.
            let scan = .text(5000) + [UInt8].noise(2_000_000)
            let files = [
                try fixture.file("notes.txt", text, mayDeflate: true),
                try fixture.file("scan.pdf", scan, mayDeflate: true),
                try fixture.file("noise.bin", .noise(100_000), mayDeflate: true),
                try fixture.file("photo.jpg", text),
            ]
            let archive = try await fixture.archive { try await $0.add(files) }.archive
            #expect(archive.entries.map(\.name) == ["scan.pdf", "noise.bin", "photo.jpg", "notes.txt"])
            #expect(archive.entries.map(\.method) == [0, 0, 0, 8])
            #expect(try archive.entry("notes.txt").storedBytes < UInt64(text.count / 3))
            try await fixture.check(archive)
        }
    }

    @Test("A file whose samples deflate well and whose rest does not is stored after all")
    func deflationUndone() async throws {
        try await ArchiveFixture.with { fixture in
            let noise = try fixture.file("noise.bin", .noise(300_000), mayDeflate: true)
            let descriptor = open(fixture.path("out"), O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
            defer { close(descriptor) }
            let target = ArchiveTarget(
                output: ArchiveOutput(descriptor: descriptor),
                sharesBlocks: false,
                progress: CopyProgress(finishBytes: 0),
                verifies: { false }
            )
            var deflater = FileDeflater(target)
            let placed = try deflater.add(noise, bytes: 300_000, at: 0)
            #expect(placed.header.method == .stored)
            #expect(placed.header.storedBytes == 300_000)
            #expect(placed.entry.problem == nil)
            let written = try Data(contentsOf: URL(filePath: fixture.path("out")))
            #expect(written.dropFirst(4096) == (try Data(contentsOf: URL(filePath: noise.path))))
        }
    }

    @Test("The same files give the same bytes, however many threads there are and in what pieces text comes")
    func deterministic() async throws {
        try await ArchiveFixture.with { fixture in
            let files = try mixedFiles(fixture)
            let text = [UInt8].text(700_000)
            var contents: Set<Data> = []
            for threads in [1, 1, 2, 4] {
                let settings = ArchiveSettings(copyThreads: threads)
                let archive = try await fixture.archive(settings: settings) { writer in
                    _ = try await writer.add(files)
                    _ = try await writer.add("text", modified: .someDay) { sink in
                        for start in stride(from: 0, to: text.count, by: 37_000 * threads) {
                            sink.append(text[start..<min(start + 37_000 * threads, text.count)])
                        }
                    }
                }.archive
                contents.insert(try archive.content())
            }
            #expect(contents.count == 1)
        }
    }

    @Test("Text is written as it is made, and its sums are returned")
    func generated() async throws {
        try await ArchiveFixture.with { fixture in
            let text = [UInt8].text(5_000_000)
            let (archive, entries) = try await fixture.archive { writer in
                let long = try await writer.add("long.txt", modified: .someDay) { sink in
                    for start in stride(from: 0, to: text.count, by: 999) {
                        sink.append(String(decoding: text[start..<min(start + 999, text.count)], as: UTF8.self))
                    }
                }
                return [long, try await writer.add("empty.txt", modified: .someDay) { _ in }]
            }
            let content = ArchivedEntry.Content(bytes: 5_000_000, crc32: text.crc32, sha256: try #require(text.sha256))
            #expect(entries[0].content == content)
            #expect(entries[1].content?.bytes == 0)
            #expect(try archive.entry("long.txt").storedBytes < 2_000_000)
            try await fixture.check(archive)
        }
    }

    @Test("A file without a row is summed as it is copied")
    func withoutRow() async throws {
        try await ArchiveFixture.with { fixture in
            let bytes = [UInt8].noise(2_500_000)
            let workbook = ArchiveFile(
                name: "items.xlsx",
                modified: .someDay,
                path: try fixture.file("", bytes).path
            )
            let (archive, entries) = try await fixture.archive { try await $0.add([workbook]) }
            #expect(entries[0].content?.crc32 == bytes.crc32)
            #expect(entries[0].content?.sha256 == bytes.sha256)
            #expect(entries[0].problem == nil)
            try await fixture.check(archive)
        }
    }

    @Test("Without any file there is an archive without entries")
    func empty() async throws {
        try await ArchiveFixture.with { fixture in
            let archive = try await fixture.archive { try await $0.add([]) }.archive
            #expect(archive.bytes == 22)
            #expect(archive.entries.isEmpty)
        }
    }

    @Test("Zeros take no room on the disk")
    func holes() async throws {
        try await ArchiveFixture.with { fixture in
            let file = try fixture.file("zeros", [UInt8](repeating: 0, count: 16 << 20) + [1])
            let archive = try await fixture.archive { try await $0.add([file]) }.archive
            var status = stat()
            try #require(stat(archive.path, &status) == 0)
            #expect(status.st_blocks * 512 < 1 << 20)
            try await fixture.check(archive)
        }
    }
}
