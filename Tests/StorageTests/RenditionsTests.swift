import Foundation
import Glibc
import Models
import Testing

@testable import Storage

@Suite("Workspaces and renditions")
struct RenditionsTests {
    private let asset = AssetID.new()
    private let job = JobID.new()

    private func place(_ text: String, fence: Int64, name: String = "a.jpg", in shelf: Shelf) async throws -> String {
        let workspace = try await shelf.storage.workspace(for: job, fence: fence, on: shelf.volume)
        try shelf.write(text, to: "\(workspace.path)/work")
        return try await shelf.storage.placeRendition(
            from: "\(workspace.path)/work",
            asset: asset,
            fence: fence,
            name: name,
            on: shelf.volume
        ).path
    }

    @Test("A work file is moved to a place that holds its asset and its fence")
    func placed() async throws {
        try await Shelf.with { shelf in
            let workspace = try await shelf.storage.workspace(for: job, fence: 3, on: shelf.volume)
            #expect(workspace.path == "\(shelf.root)/spool/jobs/\(job)/3")
            try shelf.write("jpeg", to: "\(workspace.path)/out.tmp")
            let placed = try await shelf.storage.placeRendition(
                from: "\(workspace.path)/out.tmp",
                asset: asset,
                fence: 3,
                name: "thumbnail.jpg",
                on: shelf.volume
            )
            #expect(placed.path == "renditions/\(asset.description.suffix(2))/\(asset)/3/thumbnail.jpg")
            #expect(placed.bytes == 4)
            #expect(try shelf.files() == [placed.path])
            #expect(try shelf.read(shelf.storage.path(volume: "main", relative: placed.path)) == Array("jpeg".utf8))

            try await workspace.remove()
            try await workspace.remove()
            #expect(try FileManager.default.contentsOfDirectory(atPath: "\(shelf.root)/spool/jobs") == [])
        }
    }

    @Test("The same attempt may place a rendition again")
    func replaced() async throws {
        try await Shelf.with { shelf in
            _ = try await place("first", fence: 1, in: shelf)
            let path = try await place("second", fence: 1, in: shelf)
            #expect(try shelf.read("\(shelf.root)/\(path)") == Array("second".utf8))
            #expect(try shelf.files() == [path])
        }
    }

    @Test("A name that is a path is refused", arguments: ["../a.jpg", "a/b", "/a", "..", ".", "", "a\0b"])
    func names(name: String) async throws {
        try await Shelf.with { shelf in
            #expect(await kind { _ = try await place("x", fence: 1, name: name, in: shelf) } == .outsideVolume)
        }
    }

    @Test("Only a file inside the volume can become a rendition")
    func sources() async throws {
        try await Shelf.withDirectory { elsewhere in
            try await Shelf.with { shelf in
                let workspace = try await shelf.storage.workspace(for: job, fence: 1, on: shelf.volume)
                try shelf.write("secret", to: "\(elsewhere)/secret")
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
                        _ = try await shelf.storage.placeRendition(
                            from: path,
                            asset: asset,
                            fence: 1,
                            name: "a.jpg",
                            on: shelf.volume
                        )
                    }
                    #expect(refused == expected, "\(path)")
                }
            }
        }
    }

    @Test("A new attempt's workspace is empty, and those of the attempts before it are gone")
    func olderAttempts() async throws {
        try await Shelf.with { shelf in
            for fence in [1, 2, 5] as [Int64] {
                let workspace = try await shelf.storage.workspace(for: job, fence: fence, on: shelf.volume)
                try shelf.write("work", to: "\(workspace.path)/work")
                try FileManager.default.createDirectory(
                    atPath: "\(workspace.path)/deep/er",
                    withIntermediateDirectories: true
                )
            }
            let other = try await shelf.storage.workspace(for: .new(), fence: 1, on: shelf.volume)
            let again = try await shelf.storage.workspace(for: job, fence: 4, on: shelf.volume)
            #expect(try FileManager.default.contentsOfDirectory(atPath: again.path) == [])
            #expect(
                try FileManager.default.contentsOfDirectory(atPath: "\(shelf.root)/spool/jobs/\(job)").sorted() == [
                    "4", "5",
                ]
            )
            #expect(FileManager.default.fileExists(atPath: other.path))
        }
    }

    @Test("Removing a workspace does not follow links out of it")
    func removalStaysInside() async throws {
        try await Shelf.withDirectory { elsewhere in
            try await Shelf.with { shelf in
                try shelf.write("kept", to: "\(elsewhere)/kept")
                let workspace = try await shelf.storage.workspace(for: job, fence: 1, on: shelf.volume)
                try #require(symlink(elsewhere, "\(workspace.path)/link") == 0)
                try await workspace.remove()
                #expect(try shelf.read("\(elsewhere)/kept") == Array("kept".utf8))
                #expect(!FileManager.default.fileExists(atPath: workspace.path))
            }
        }
    }

    @Test("An attempt that lost its lease removes its own renditions only")
    func ownRenditions() async throws {
        try await Shelf.with { shelf in
            _ = try await place("old", fence: 1, in: shelf)
            let kept = try await place("new", fence: 2, in: shelf)
            try await shelf.storage.removeRenditions(of: asset, fence: 1, on: shelf.volume)
            #expect(try shelf.files() == [kept])
            try await shelf.storage.removeRenditions(of: asset, fence: 2, on: shelf.volume)
            try await shelf.storage.removeRenditions(of: asset, fence: 2, on: shelf.volume)
            #expect(try shelf.files() == [])
            let directory = "\(shelf.root)/renditions/\(asset.description.suffix(2))"
            #expect(try FileManager.default.contentsOfDirectory(atPath: directory) == [])
        }
    }

    @Test("Leftovers of earlier attempts go, those of later ones stay")
    func leftovers() async throws {
        try await Shelf.with { shelf in
            _ = try await place("killed", fence: 1, in: shelf)
            _ = try await place("killed", fence: 2, in: shelf)
            let own = try await place("own", fence: 3, in: shelf)
            let later = try await place("later", fence: 4, in: shelf)
            try await shelf.storage.removeRenditions(of: asset, except: 3, on: shelf.volume)
            #expect(try shelf.files() == [own, later])
        }
    }

    @Test("Placing and removing at the same time never loses a file that was placed")
    func placingWhileRemoving() async throws {
        try await Shelf.with { shelf in
            for fence in 1...20 as ClosedRange<Int64> {
                async let removed: Void = shelf.storage.removeRenditions(of: asset, except: fence, on: shelf.volume)
                let path = try await place("x", fence: fence, in: shelf)
                try await removed
                #expect(try shelf.read("\(shelf.root)/\(path)") == Array("x".utf8))
                try await shelf.storage.removeRenditions(of: asset, fence: fence, on: shelf.volume)
            }
        }
    }
}
