import Foundation
import Testing

@testable import ZipWorker

/// Archives beyond what ZIP's first headers could tell. They take seconds.
@Suite("ArchiveLimits")
struct ArchiveLimitsTests {
    @Test("An entry of more than 4 GiB, and one that begins behind it")
    func largeEntry() async throws {
        try await ArchiveFixture.with { fixture in
            let video = try fixture.file("video.mp4", [])
            let bytes: Int64 = 1 << 32 + 4097
            try #require(truncate(video.path, off_t(bytes)) == 0)
            let large = ArchiveFile(name: "video.mp4", modified: .someDay, path: video.path)
            let files = [large, try fixture.file("behind.jpg", .noise(10_000))]
            let (archive, entries) = try await fixture.archive { writer in
                let entries = try await writer.add(files)
                _ = try await writer.add("manifest.json", modified: .someDay) { $0.append("{}") }
                return entries
            }
            #expect(entries.allSatisfy { $0.problem == nil })
            #expect(archive.entries.map(\.bytes) == [UInt64(bytes), 10_000, 2])
            #expect(archive.entries.map(\.hasLargeField) == [true, false, false])
            #expect(archive.listed.map(\.hasLargeField) == [true, true, true])
            #expect(archive.listed.map(\.version) == [45, 45, 45])
            #expect(archive.listed.map(\.offset) == archive.entries.map(\.offset))
            #expect(archive.dataOffsets.allSatisfy { $0.isMultiple(of: 4096) })
            #expect(archive.hasLargeEnd)
            // 7z reads every byte; the others would take a minute for that.
            try await fixture.run("7z", "t", archive.path)
            for list in [["unzip", "-Z1"], ["bsdtar", "-tf"], ["python3", "-m", "zipfile", "-l"]] {
                try await fixture.run(list[0], list.dropFirst() + [archive.path])
            }
        }
    }

    @Test("More entries than 16 bits count")
    func manyEntries() async throws {
        try await ArchiveFixture.with { fixture in
            let file = try fixture.file("", .noise(100))
            let files = (0..<65_537).map { index in
                ArchiveFile(name: "file \(index)", modified: .someDay, path: file.path)
            }
            let archive = try await fixture.archive { try await $0.add(files) }.archive
            #expect(archive.listed == archive.entries)
            #expect(archive.listed.count == 65_537)
            #expect(archive.hasLargeEnd)
            try await fixture.check(archive)
        }
    }
}
