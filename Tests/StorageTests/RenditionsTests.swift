import Foundation
import Glibc
import Models
import Testing

@testable import Storage

@Suite("Workspaces and renditions")
struct RenditionsTests {
    private let asset = AssetID.new()
    private let job = JobID.new()

    private func place(_ text: String, fence: Int64, name: String = "a.jpg", in fixture: StorageFixture) async throws
        -> String
    {
        let workspace = try await fixture.storage.workspace(for: job, fence: fence, on: fixture.volume)
        try fixture.write(text, to: "\(workspace.path)/work")
        return try await fixture.storage.placeRendition(
            from: "\(workspace.path)/work",
            asset: asset,
            fence: fence,
            name: name,
            on: fixture.volume
        ).path
    }

    @Test("A work file is moved to a place that holds its asset and its fence")
    func placed() async throws {
        try await StorageFixture.with { fixture in
            let workspace = try await fixture.storage.workspace(for: job, fence: 3, on: fixture.volume)
            #expect(workspace.path == "\(fixture.root)/spool/jobs/\(job)/3")
            try fixture.write("jpeg", to: "\(workspace.path)/out.tmp")
            let placed = try await fixture.storage.placeRendition(
                from: "\(workspace.path)/out.tmp",
                asset: asset,
                fence: 3,
                name: "thumbnail.jpg",
                on: fixture.volume
            )
            #expect(placed.path == "renditions/\(asset.description.suffix(2))/\(asset)/3/thumbnail.jpg")
            #expect(placed.bytes == 4)
            #expect(try fixture.files() == [placed.path])
            #expect(try fixture.read(fixture.storage.path(volume: "main", relative: placed.path)) == Array("jpeg".utf8))

            try await workspace.remove()
            try await workspace.remove()
            #expect(try FileManager.default.contentsOfDirectory(atPath: "\(fixture.root)/spool/jobs") == [])
        }
    }

    @Test("The same attempt may place a rendition again")
    func replaced() async throws {
        try await StorageFixture.with { fixture in
            _ = try await place("first", fence: 1, in: fixture)
            let path = try await place("second", fence: 1, in: fixture)
            #expect(try fixture.read("\(fixture.root)/\(path)") == Array("second".utf8))
            #expect(try fixture.files() == [path])
        }
    }

    @Test("A name that is a path is refused", arguments: ["../a.jpg", "a/b", "/a", "..", ".", "", "a\0b"])
    func names(name: String) async throws {
        try await StorageFixture.with { fixture in
            #expect(await kind { _ = try await place("x", fence: 1, name: name, in: fixture) } == .outsideVolume)
        }
    }

    @Test("Only a file inside the volume can become a rendition")
    func sources() async throws {
        try await StorageFixture.withDirectory { elsewhere in
            try await StorageFixture.with { fixture in
                let workspace = try await fixture.storage.workspace(for: job, fence: 1, on: fixture.volume)
                try fixture.write("secret", to: "\(elsewhere)/secret")
                try #require(symlink("\(elsewhere)/secret", "\(workspace.path)/link") == 0)
                try #require(symlink(elsewhere, "\(workspace.path)/directory") == 0)
                try #require(mkfifo("\(workspace.path)/pipe", 0o600) == 0)
                for (path, expected) in [
                    ("\(elsewhere)/secret", StorageError.Kind.outsideVolume),
                    ("\(workspace.path)/../1/link", .outsideVolume),
                    ("\(workspace.path)/link", .outsideVolume),
                    ("\(workspace.path)/directory/secret", .outsideVolume),
                    ("\(workspace.path)/pipe", .outsideVolume),
                    (workspace.path, .outsideVolume),
                    ("\(workspace.path)/none", .missing),
                ] {
                    let refused = await kind {
                        _ = try await fixture.storage.placeRendition(
                            from: path,
                            asset: asset,
                            fence: 1,
                            name: "a.jpg",
                            on: fixture.volume
                        )
                    }
                    #expect(refused == expected, "\(path)")
                }
            }
        }
    }

    @Test("A new attempt's workspace is empty, and those of the attempts before it are gone")
    func olderAttempts() async throws {
        try await StorageFixture.with { fixture in
            for fence in [1, 2, 5] as [Int64] {
                let workspace = try await fixture.storage.workspace(for: job, fence: fence, on: fixture.volume)
                try fixture.write("work", to: "\(workspace.path)/work")
                try FileManager.default.createDirectory(
                    atPath: "\(workspace.path)/deep/er",
                    withIntermediateDirectories: true
                )
            }
            let other = try await fixture.storage.workspace(for: .new(), fence: 1, on: fixture.volume)
            let again = try await fixture.storage.workspace(for: job, fence: 4, on: fixture.volume)
            #expect(try FileManager.default.contentsOfDirectory(atPath: again.path) == [])
            #expect(
                try FileManager.default.contentsOfDirectory(atPath: "\(fixture.root)/spool/jobs/\(job)").sorted() == [
                    "4", "5",
                ]
            )
            #expect(FileManager.default.fileExists(atPath: other.path))
        }
    }

    @Test("Removing a workspace does not follow links out of it")
    func removalStaysInside() async throws {
        try await StorageFixture.withDirectory { elsewhere in
            try await StorageFixture.with { fixture in
                try fixture.write("kept", to: "\(elsewhere)/kept")
                let workspace = try await fixture.storage.workspace(for: job, fence: 1, on: fixture.volume)
                try #require(symlink(elsewhere, "\(workspace.path)/link") == 0)
                try await workspace.remove()
                #expect(try fixture.read("\(elsewhere)/kept") == Array("kept".utf8))
                #expect(!FileManager.default.fileExists(atPath: workspace.path))
            }
        }
    }

    @Test("An attempt that lost its lease removes its own renditions only")
    func ownRenditions() async throws {
        try await StorageFixture.with { fixture in
            _ = try await place("old", fence: 1, in: fixture)
            let kept = try await place("new", fence: 2, in: fixture)
            try await fixture.storage.removeRenditions(of: asset, fence: 1, on: fixture.volume)
            #expect(try fixture.files() == [kept])
            try await fixture.storage.removeRenditions(of: asset, fence: 2, on: fixture.volume)
            try await fixture.storage.removeRenditions(of: asset, fence: 2, on: fixture.volume)
            #expect(try fixture.files() == [])
            let directory = "\(fixture.root)/renditions/\(asset.description.suffix(2))"
            #expect(try FileManager.default.contentsOfDirectory(atPath: directory) == [])
        }
    }

    @Test("Leftovers of earlier attempts go, those of later ones stay")
    func leftovers() async throws {
        try await StorageFixture.with { fixture in
            _ = try await place("killed", fence: 1, in: fixture)
            _ = try await place("killed", fence: 2, in: fixture)
            let own = try await place("own", fence: 3, in: fixture)
            let later = try await place("later", fence: 4, in: fixture)
            try await fixture.storage.removeRenditions(of: asset, before: 3, on: fixture.volume)
            #expect(try fixture.files() == [own, later])
        }
    }

    @Test("Placing and removing at the same time never loses a file that was placed")
    func placingWhileRemoving() async throws {
        try await StorageFixture.with { fixture in
            for fence in 1...20 as ClosedRange<Int64> {
                async let removed: Void = fixture.storage.removeRenditions(of: asset, before: fence, on: fixture.volume)
                let path = try await place("x", fence: fence, in: fixture)
                try await removed
                #expect(try fixture.read("\(fixture.root)/\(path)") == Array("x".utf8))
                try await fixture.storage.removeRenditions(of: asset, fence: fence, on: fixture.volume)
            }
        }
    }
}
