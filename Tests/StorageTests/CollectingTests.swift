import Foundation
import Glibc
import Models
import Testing

@testable import Storage

@Suite("Collecting and archives")
struct CollectingTests {
    private let company = CompanyID.new()
    private let export = ExportID.new()

    @Test("A file without a row goes, with the directories that are its own")
    func removed() async throws {
        try await StorageFixture.with { fixture in
            let path = try await fixture.archive(of: export, number: 1, fence: 2)
            let found = try #require(try await fixture.found().first)
            #expect(found.path == path)
            #expect(found.place == .archive(export, number: 1, fence: 2))
            #expect(try await fixture.storage.remove(found, untouchedSince: found.modified) { true })
            #expect(try fixture.files() == [])
            let directory = "\(fixture.root)/exports/\(export.description.suffix(2))"
            #expect(try FileManager.default.contentsOfDirectory(atPath: directory) == [])
        }
    }

    @Test("A file that was touched meanwhile, or is in use after all, is put back")
    func putBack() async throws {
        try await StorageFixture.with { fixture in
            let stored = try await fixture.storage.place(fixture.finished([1, 2, 3]), of: company)
            let path = try fixture.storage.originalPath(stored, of: company)
            let found = try #require(try await fixture.found().first)
            let before = found.modified.addingTimeInterval(-1)
            #expect(try await fixture.storage.remove(found, untouchedSince: before) { true } == false)
            #expect(try fixture.read(path) == [1, 2, 3])

            let isGone = try await fixture.storage.remove(found, untouchedSince: found.modified) {
                #expect(!FileManager.default.fileExists(atPath: path), "nobody can come upon it")
                return false
            }
            #expect(isGone == false)
            #expect(try fixture.read(path) == [1, 2, 3])
        }
    }

    @Test("What a killed process had set aside is put back")
    func restored() async throws {
        try await StorageFixture.with { fixture in
            let stored = try await fixture.storage.place(fixture.finished([1, 2, 3]), of: company)
            let path = try fixture.storage.originalPath(stored, of: company)
            let name = path.dropFirst(fixture.root.count + 1).replacing("/", with: "|")
            let aside = "\(fixture.root)/spool/collected"
            try FileManager.default.createDirectory(atPath: aside, withIntermediateDirectories: false)
            try FileManager.default.moveItem(atPath: path, toPath: "\(aside)/\(name)")
            try await fixture.storage.restoreAside()
            #expect(try fixture.read(path) == [1, 2, 3])
            #expect(try FileManager.default.contentsOfDirectory(atPath: aside) == [])
        }
    }

    @Test("A part's place holds its number and its fence; what earlier attempts left of it goes, other parts stay")
    func parts() async throws {
        try await StorageFixture.with { fixture in
            let other = try await fixture.archive(of: export, number: 2, fence: 1)
            _ = try await fixture.archive(of: export, number: 1, fence: 1)
            let kept = try await fixture.archive(of: export, number: 1, fence: 3)
            #expect(kept == "exports/\(export.description.suffix(2))/\(export)/1-3.zip")
            #expect(try fixture.files() == [kept, other])

            try await fixture.storage.removePart(of: export, number: 1, fence: 2)
            #expect(try fixture.files() == [kept, other])
            try await fixture.storage.removePart(of: export, number: 1, fence: 3)
            #expect(try fixture.files() == [other])
            try await fixture.storage.removeExport(export)
            try await fixture.storage.removeExport(export)
            #expect(try fixture.files() == [])
        }
    }
}

extension StorageFixture {
    /// Places a part as a program writes it.
    fileprivate func archive(of export: ExportID, number: Int, fence: Int64) async throws -> String {
        let draft = try await storage.draft(of: [:], overhead: 3)
        try #require(Glibc.write(draft.descriptor, [1, 2, 3], 3) == 3)
        return try await storage.placePart(draft, of: export, number: number, fence: fence)
    }

    fileprivate func found() async throws -> [FoundFile] {
        var found: [FoundFile] = []
        try await storage.eachFile(on: volume) { found += $0 }
        return found
    }
}
