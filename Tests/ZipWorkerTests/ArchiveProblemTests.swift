import Foundation
import Models
import Synchronization
import Testing

@testable import ZipWorker

@Suite("Archives of files that are not as their rows say")
struct ArchiveProblemTests {
    @Test("What is no readable file has no entry, and says why")
    func lost() async throws {
        try await ArchiveFixture.with { fixture in
            let good = try fixture.file("good", .noise(10_000))
            try FileManager.default.createSymbolicLink(
                atPath: fixture.path("link"),
                withDestinationPath: good.path
            )
            try #require(mkfifo(fixture.path("pipe"), 0o600) == 0)
            let bad = ["absent", "absent/below", "link", "pipe", "."].map { name in
                ArchiveFile(
                    name: name,
                    modified: .someDay,
                    path: fixture.path(name),
                    mayDeflate: name == "absent"
                )
            }
            let (archive, entries) = try await fixture.archive { try await $0.add(bad + [good]) }
            #expect(
                entries.map(\.problem) == [
                    .missing, .missing, .unreadable, .unreadable, .unreadable, nil,
                ]
            )
            #expect(entries.map(\.isIncluded) == [false, false, false, false, false, true])
            #expect(archive.entries.map(\.name) == ["good"])
            try await fixture.check(archive)
        }
    }

    @Test("A file of another size is delivered as it is, with its own sums", arguments: [false, true])
    func sizeDiffers(deflated: Bool) async throws {
        try await ArchiveFixture.with { fixture in
            let bytes = [UInt8].text(200_000)
            let file = try fixture.file("file", bytes, claims: .text(200_001), mayDeflate: deflated)
            let (archive, entries) = try await fixture.archive { try await $0.add([file]) }
            #expect(entries[0].problem == .sizeDiffers(expected: 200_001, found: 200_000))
            #expect(entries[0].content?.crc32 == bytes.crc32)
            #expect(entries[0].content?.sha256 == bytes.sha256)
            #expect(try archive.entry("file").method == (deflated ? 8 : 0))
            try await fixture.check(archive)
        }
    }

    @Test("A file with other bytes is delivered as it is, with its own sums", arguments: [false, true])
    func checksumDiffers(deflated: Bool) async throws {
        try await ArchiveFixture.with { fixture in
            let bytes = [UInt8].text(200_000)
            var claimed = bytes
            claimed[100_000] ^= 1
            let file = try fixture.file("file", bytes, claims: claimed, mayDeflate: deflated)
            let (archive, entries) = try await fixture.archive { try await $0.add([file]) }
            #expect(entries[0].problem == .checksumDiffers)
            #expect(entries[0].content?.crc32 == bytes.crc32)
            #expect(entries[0].content?.sha256 == bytes.sha256)
            #expect(try archive.entry("file").method == (deflated ? 8 : 0))
            try await fixture.check(archive)
        }
    }

    @Test("Files lost after their places were fixed leave no gap, and each file is reported once")
    func lostUnderway() async throws {
        try await ArchiveFixture.with { fixture in
            var files = try (0..<12).map { try fixture.file("file \($0)", .noise(9000 + $0, seed: UInt64($0))) }
            files.append(try fixture.file("text", .text(50_000), mayDeflate: true))
            // The largest is copied first: when it is reported, no other file was opened for copying.
            files.insert(try fixture.file("video", .noise(8 << 20)), at: 3)
            let (gone, cut) = (files[5].path, files[8].path)
            let reported = Mutex<[Int]>([])
            let settings = ArchiveSettings(copyThreads: 1)
            let (archive, entries) = try await fixture.archive(settings: settings) { [files] writer in
                try await writer.add(files) { index in
                    if files[index].name == "video" {
                        unlink(gone)
                        truncate(cut, 100)
                    }
                    reported.withLock { $0.append(index) }
                }
            }
            #expect(reported.withLock { $0.sorted() } == Array(files.indices))
            #expect(entries[5].problem == .missing)
            #expect(entries[8].problem == .unreadable)
            #expect(entries.count { $0.isIncluded && $0.problem == nil } == files.count - 2)
            #expect(archive.entries.count == files.count - 2)
            #expect(archive.listed == archive.entries)
            try await fixture.check(archive)
        }
    }
}
