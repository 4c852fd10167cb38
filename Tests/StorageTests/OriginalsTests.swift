import Foundation
import Glibc
import Models
import Testing

@testable import Storage

@Suite("Originals")
struct OriginalsTests {
    private let company = CompanyID.new()
    private let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

    @Test("An original lies under its company and its SHA-256", arguments: [true, false])
    func contentAddress(unnamed: Bool) async throws {
        try await StorageFixture.with(unnamed: unnamed) { fixture in
            let stored = try await fixture.storage.place(fixture.finished(Array("abc".utf8)), of: company)
            #expect(stored.volume == "main")
            #expect(stored.sha256.description == abc)
            #expect(stored.crc32 == 0x3524_41C2)
            #expect(stored.bytes == 3)
            #expect(try fixture.files() == ["originals/\(company)/ba/\(abc)"])
            #expect(
                try fixture.storage.originalPath(stored, of: company)
                    == "\(fixture.root)/originals/\(company)/ba/\(abc)"
            )
            #expect(try fixture.read(fixture.storage.originalPath(stored, of: company)) == Array("abc".utf8))
        }
    }

    @Test("The same bytes placed again are one file, touched", arguments: [true, false])
    func placedTwice(unnamed: Bool) async throws {
        try await StorageFixture.with(unnamed: unnamed) { fixture in
            let first = try await fixture.storage.place(fixture.finished(Array("abc".utf8)), of: company)
            let path = try fixture.storage.originalPath(first, of: company)
            let longAgo = [timespec(tv_sec: 1, tv_nsec: 0), timespec(tv_sec: 1, tv_nsec: 0)]
            try #require(utimensat(AT_FDCWD, path, longAgo, 0) == 0)

            let second = try await fixture.storage.place(fixture.finished(Array("abc".utf8)), of: company)
            #expect(second == first)
            #expect(try fixture.files().count == 1)
            var status = stat()
            try #require(stat(path, &status) == 0)
            #expect(status.st_mtim.tv_sec > 1_000_000)
        }
    }

    @Test("The same bytes placed by many at once are one file")
    func placedAtOnce() async throws {
        try await StorageFixture.with { fixture in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<20 {
                    group.addTask {
                        _ = try await fixture.storage.place(fixture.finished(Array("abc".utf8)), of: company)
                    }
                }
                try await group.waitForAll()
            }
            #expect(try fixture.files().count == 1)
        }
    }

    @Test("The files of one request are placed together, in their order")
    func batch() async throws {
        try await StorageFixture.with { fixture in
            var files: [FinishedFile] = []
            for text in ["abc", "def", "abc"] { files.append(try await fixture.finished(Array(text.utf8))) }
            let stored = try await fixture.storage.place(files.map(UnplacedFile.written), of: company)
            #expect(stored.map(\.sha256) == files.map(\.stored.sha256))
            #expect(try fixture.files().count == 2)
        }
    }

    @Test("A file that was held is placed as one that was written", arguments: [true, false])
    func held(unnamed: Bool) async throws {
        try await StorageFixture.with(unnamed: unnamed) { fixture in
            let storage = fixture.storage
            let again = UnplacedFile.held(Array("abc".utf8))
            #expect(again.bytes == 3)
            #expect(again.sha256?.description == abc)
            let written = UnplacedFile.written(try await fixture.finished(Array("abc".utf8)))
            #expect(written.sha256 == again.sha256)
            let stored = try await storage.place([written, again, .held([1])], of: company)
            #expect(stored[0] == stored[1])
            #expect(stored.last?.bytes == 1)
            #expect(try fixture.files().filter { $0.hasPrefix("originals/") }.count == 2)
            #expect(try fixture.read(storage.originalPath(stored[2], of: company)) == [1])
        }
    }

    @Test("What is held can be written before it is placed; without a place it is gone")
    func writtenBefore() async throws {
        try await StorageFixture.with { fixture in
            var files = try await fixture.storage.write([.held([1]), .held([2])])
            guard case .written = files[1] else { throw StorageError(.missing, "a written file") }
            let stored = try await fixture.storage.place([files[0]], of: company)
            files = []
            #expect(try fixture.files() == [StorageLayout.originalPath(of: company, try #require(stored.first).sha256)])
        }
    }

    @Test("Another company's original is not found")
    func otherCompany() async throws {
        try await StorageFixture.with { fixture in
            let stored = try await fixture.storage.place(fixture.finished([1]), of: company)
            #expect(await kind { _ = try fixture.storage.originalPath(stored, of: .new()) } == .missing)
        }
    }

    @Test("A symbolic link, a directory or a damaged file under the name is not taken for the file")
    func somethingInTheWay() async throws {
        try await StorageFixture.with { fixture in
            let directory = "\(fixture.root)/originals/\(company)/ba"
            let path = "\(directory)/\(abc)"
            try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)

            try fixture.write("abc", to: "\(fixture.root)/elsewhere")
            try #require(symlink("\(fixture.root)/elsewhere", path) == 0)
            #expect(
                await kind { _ = try await fixture.storage.place(fixture.finished(Array("abc".utf8)), of: company) }
                    == .outsideVolume
            )
            try #require(unlink(path) == 0)

            try #require(mkdir(path, 0o700) == 0)
            #expect(
                await kind { _ = try await fixture.storage.place(fixture.finished(Array("abc".utf8)), of: company) }
                    == .outsideVolume
            )
            try #require(rmdir(path) == 0)

            try fixture.write("damaged", to: path)
            let damaged = await kind {
                _ = try await fixture.storage.place(fixture.finished(Array("abc".utf8)), of: company)
            }
            #expect(damaged == .io(errno: EEXIST, operation: "link"))
            #expect(try fixture.read(path) == Array("damaged".utf8))
        }
    }

    @Test("A symbolic link for a directory is not followed")
    func linkedDirectory() async throws {
        try await StorageFixture.withDirectory { elsewhere in
            try await StorageFixture.with { fixture in
                try #require(symlink(elsewhere, "\(fixture.root)/originals/\(company)") == 0)
                let refused = await kind { _ = try await fixture.storage.place(fixture.finished([1]), of: company) }
                #expect(refused == .outsideVolume)
                #expect(try FileManager.default.contentsOfDirectory(atPath: elsewhere) == [])
            }
        }
    }
}
