import Foundation
import Glibc
import Logging
import Models
import Testing

@testable import Storage

@Suite("Volumes")
struct VolumeTests {
    @Test("Opening makes the four directories, and again changes nothing")
    func layout() async throws {
        try await StorageFixture.withDirectory { root in
            for _ in 0..<2 {
                let settings = StorageSettings(volumes: [.init(name: "main", path: root)], reserve: 0)
                let storage = try LocalStorage(settings: settings, logger: Logger(label: "test"))
                #expect(try storage.volume(named: "main").root == root)
            }
            let names = try FileManager.default.subpathsOfDirectory(atPath: root).sorted()
            #expect(names == ["exports", "originals", "renditions", "spool", "spool/jobs"])
        }
    }

    @Test("A file system that says it has more than can be counted has as much as can be counted")
    func vast() {
        #expect(Volume.bytes(3, of: 4096) == 12_288)
        #expect(Volume.bytes(.max, of: 4096) == .max)
        #expect(Volume.bytes(1 << 52, of: 4096) == .max)
    }

    @Test("A volume that is not there, or is no directory, stops the start")
    func notThere() async throws {
        try await StorageFixture.withDirectory { root in
            func open(_ path: String) throws {
                let settings = StorageSettings(volumes: [.init(name: "main", path: path)])
                _ = try LocalStorage(settings: settings, logger: Logger(label: "test"))
            }
            #expect(await kind { try open("\(root)/unmounted") } == .missing)
            try Data().write(to: URL(filePath: "\(root)/file"))
            #expect(await kind { try open("\(root)/file") } == .io(errno: ENOTDIR, operation: "open"))
        }
    }

    @Test("A volume no row may name is unknown")
    func unknown() async throws {
        try await StorageFixture.with { fixture in
            #expect(await kind { _ = try fixture.storage.volume(named: "other") } == .unknownVolume)
            #expect(await kind { _ = try fixture.storage.path(volume: "../main", relative: "spool") } == .unknownVolume)
        }
    }

    @Test(
        "A path that leaves the volume is refused",
        arguments: [
            "..", "../secret", "originals/../../secret", "originals/../originals/a", "/etc/passwd", "", ".",
            "./originals",
            "originals//a", "originals/", "originals/a\0b", "link/secret", "originals/link",
        ]
    )
    func escapes(relative: String) async throws {
        try await StorageFixture.withDirectory { elsewhere in
            try await StorageFixture.with { fixture in
                try fixture.write("secret", to: "\(elsewhere)/secret")
                try #require(symlink(elsewhere, "\(fixture.root)/link") == 0)
                try #require(symlink("\(elsewhere)/secret", "\(fixture.root)/originals/link") == 0)
                #expect(
                    await kind { _ = try fixture.storage.path(volume: "main", relative: relative) } == .outsideVolume
                )
            }
        }
    }

    @Test("A path of the volume is given whole, if something is there")
    func path() async throws {
        try await StorageFixture.with { fixture in
            try fixture.write("x", to: "\(fixture.root)/renditions/a..b")
            #expect(
                try fixture.storage.path(volume: "main", relative: "renditions/a..b")
                    == "\(fixture.root)/renditions/a..b"
            )
            #expect(
                await kind { _ = try fixture.storage.path(volume: "main", relative: "renditions/none") } == .missing
            )
        }
    }

    @Test("The reserve is kept: a file that would use it up does not fit")
    func reserve() async throws {
        try await StorageFixture.with(reserve: 1 << 20) { fixture in
            let free = try fixture.volume.free()
            let found = try await fixture.storage.volume(for: 1 << 20)
            #expect(found.name == "main")
            #expect(await kind { _ = try await fixture.storage.volume(for: free + (64 << 30)) } == .full)
            #expect(await kind { _ = try await fixture.storage.volume(for: .max) } == .full)
            #expect(await kind { _ = try await fixture.storage.makeUpload(expecting: free + (64 << 30)) } == .full)
        }
    }

    @Test("The state of a volume shows its room and whether it can be written to")
    func status() async throws {
        try await StorageFixture.with { fixture in
            let status = try #require(fixture.storage.status().first)
            #expect(status.volume.name == "main")
            #expect(status.writable)
            #expect((1...status.total).contains(status.free))
        }
    }
}

@Suite("Full disks", .enabled(if: SmallDisk.isPossible, "needs root, to mount a small disk"), .serialized)
struct FullDiskTests {
    private func storage(_ roots: String..., reserve: Int64 = 0) throws -> LocalStorage {
        let volumes = roots.enumerated().map { StorageSettings.Location(name: "v\($0)", path: $1) }
        return try LocalStorage(
            settings: StorageSettings(volumes: volumes, reserve: reserve, threads: 2),
            logger: Logger(label: "test")
        )
    }

    @Test("A declared length that does not fit is refused before a byte arrives")
    func declared() async throws {
        try await SmallDisk.with("size=4m") { root in
            let storage = try storage(root)
            let before = try storage.volumes[0].free()
            #expect(await kind { _ = try await storage.makeUpload(expecting: 5 << 20) } == .full)
            let file = try await storage.makeUpload(expecting: 3 << 20)
            #expect(await kind { _ = try await storage.makeUpload(expecting: 2 << 20) } == .full)
            await file.close()
            try await SmallDisk.wait(for: before, on: storage.volumes[0])
            await (try storage.makeUpload(expecting: 3 << 20)).close()
        }
    }

    @Test("A file that outgrows the disk fails, and its space is free again")
    func outgrown() async throws {
        try await SmallDisk.with("size=4m") { root in
            let storage = try storage(root)
            let before = try storage.volumes[0].free()
            let file = try await storage.makeUpload(expecting: nil)
            let failure = await kind {
                for _ in 0..<9 { try await file.append([UInt8](repeating: 1, count: 1 << 20)) }
                _ = try await file.finish()
            }
            #expect(failure == .full)
            try await SmallDisk.wait(for: before, on: storage.volumes[0])
            #expect(await kind { _ = try await file.finish() } == .io(errno: EBADF, operation: "append"))
        }
    }

    @Test("A file of unknown length does not use up the reserve")
    func reserveWhileWriting() async throws {
        try await SmallDisk.with("size=40m") { root in
            let storage = try storage(root, reserve: 20 << 20)
            let file = try await storage.makeUpload(expecting: nil)
            var written = 0
            let failure = await kind {
                while written < 40 << 20 {
                    try await file.append([UInt8](repeating: 1, count: 1 << 20))
                    written += 1 << 20
                }
            }
            #expect(failure == .full)
            #expect(written <= 26 << 20)
        }
    }

    @Test("When a volume runs low, or out of inodes, the next one is used")
    func nextVolume() async throws {
        try await SmallDisk.with("size=2m") { small in
            try await SmallDisk.with("size=16m,nr_inodes=8") { withoutInodes in
                try await SmallDisk.with("size=8m") { last in
                    let storage = try storage(small, withoutInodes, last)
                    let little = try await storage.volume(for: 1 << 20)
                    #expect(little.name == "v0")
                    let large = try await storage.volume(for: 4 << 20)
                    #expect(large.name == "v1")
                    var files: [UploadFile] = []
                    for _ in 0..<4 { files.append(try await storage.makeUpload(expecting: 1 << 20)) }
                    #expect(files.prefix(1).map(\.volume.name) == ["v0"])
                    var exhausted = false
                    for index in 0..<10 where !exhausted {
                        exhausted = mkdir("\(withoutInodes)/\(index)", 0o700) != 0
                    }
                    #expect(try await storage.makeUpload(expecting: 3 << 20).volume.name == "v2")
                    for file in files { await file.close() }
                }
            }
        }
    }

    @Test("A file goes where there is room for all it may have; if that is nowhere, where there is most")
    func roomToGrow() async throws {
        try await SmallDisk.with("size=4m") { small in
            try await SmallDisk.with("size=8m") { larger in
                let storage = try storage(small, larger)
                for (most, name) in [(2 << 20, "v0"), (6 << 20, "v1"), (60 << 20, "v1")] {
                    let file = try await storage.makeUpload(expecting: nil, upTo: Int64(most))
                    #expect(file.volume.name == name)
                    await file.close()
                    let id = UploadID.new()
                    let resumable = try await storage.makeUpload(id, expecting: 1 << 20, upTo: Int64(most))
                    #expect(resumable.volume.name == name)
                    await resumable.close()
                    try await storage.removeUpload(id, on: name)
                }
            }
        }
    }
}
