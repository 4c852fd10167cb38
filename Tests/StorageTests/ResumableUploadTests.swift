import Foundation
import Glibc
import Models
import Testing

@testable import Storage

@Suite("Uploads in several requests")
struct ResumableUploadTests {
    private let id = UploadID.new()

    @Test("What lies beyond the sums is overwritten, and the file that is placed has the right bytes")
    func overwritten() async throws {
        try await StorageFixture.with { fixture in
            let bytes = [UInt8].noise(300_000)
            let first = try await fixture.storage.makeUpload(id, expecting: 400_000)
            try await first.append(pieces: [bytes[..<100_000]])
            let sums = try await first.checkpoint(after: 100_000)
            try await first.append(pieces: [[UInt8](repeating: 7, count: 290_000)])
            await first.close()

            let second = try await fixture.lock(id)
            try await second.resume(at: sums, expecting: 400_000)
            #expect(try await second.bytes(at: 0, count: 10) == Array(bytes[..<10]))
            try await second.append(pieces: [bytes[100_000..<150_000], bytes[150_000...]])
            let stored = try await fixture.storage.place(try await second.finish(), of: .new())
            #expect(stored.bytes == 300_000)
            #expect(try fixture.read("\(fixture.root)/spool/uploads/\(id)") == bytes)
            #expect(stored.sha256 == RunningSums.of(bytes).digest)
        }
    }

    @Test("One at a time has a file: another gets it when the first lets go, or its result is dropped")
    func locked() async throws {
        try await StorageFixture.with { fixture in
            let file = try await fixture.storage.makeUpload(id, expecting: nil)
            #expect(try await fixture.storage.lockUpload(id, on: "main") == nil)
            #expect(try await fixture.storage.removeUnlockedUpload(id, on: "main") == false)
            try await file.append(pieces: [[1, 2, 3] as [UInt8]])
            do {
                let finished = try await file.finish()
                #expect(try await fixture.storage.lockUpload(id, on: "main") == nil)
                withExtendedLifetime(finished) {}
            }
            try await fixture.lock(id).close()
            #expect(try await fixture.storage.removeUnlockedUpload(id, on: "main"))
            #expect(try await fixture.storage.removeUnlockedUpload(id, on: "main"))
            #expect(try fixture.files() == [])
        }
    }

    @Test("Letting go of a file drops its lock, also while a forked child has a copy of the descriptor")
    func forked() async throws {
        try await StorageFixture.with { fixture in
            let file = try await fixture.storage.makeUpload(id, expecting: nil)
            let path = URL(filePath: "\(fixture.root)/spool/uploads/\(id)").resolvingSymlinksInPath().path
            let descriptors = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").compactMap(
                Int32.init
            )
            let open = descriptors.filter { descriptor in
                (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\(descriptor)")) == path
            }
            let copy = dup(try #require(open.first))
            defer { Glibc.close(copy) }
            await file.close()
            try await fixture.lock(id).close()
        }
    }

    @Test("A file that is gone, or has lost bytes that count, is said to be missing")
    func missing() async throws {
        try await StorageFixture.with { fixture in
            #expect(await kind { _ = try await fixture.storage.lockUpload(.new(), on: "main") } == .missing)
            let file = try await fixture.storage.makeUpload(id, expecting: nil)
            let sums = RunningSums.of([1, 2, 3])
            #expect(await kind { try await file.resume(at: sums, expecting: nil) } == .missing)
        }
    }

    @Test("A name that is a path is refused")
    func names() async throws {
        try await StorageFixture.with { fixture in
            for name in ["../one", "a/b", "/a", "", ".", ".."] {
                let refused = await kind {
                    _ = try TemporaryFile(locking: name, in: fixture.volume.spool, creating: true)
                }
                #expect(refused == .outsideVolume)
            }
        }
    }

    @Test("A volume without files without names takes such uploads as well")
    func named() async throws {
        try await StorageFixture.with(unnamed: false) { fixture in
            let file = try await fixture.storage.makeUpload(id, expecting: 3)
            try await file.append(pieces: [[1, 2, 3] as [UInt8]])
            let stored = try await fixture.storage.place(try await file.finish(), of: .new())
            #expect(stored.bytes == 3)
        }
    }

    @Test("A declared length takes no room: bytes take some ahead of them, and letting go gives that back")
    func takesRoomAsBytesCome() async throws {
        try await StorageFixture.with { fixture in
            let declared: Int64 = 1 << 30
            let first = try await fixture.storage.makeUpload(id, expecting: declared)
            #expect(try fixture.taken(by: id) == 0)
            try await first.append(pieces: [[UInt8].noise(1000)])
            let sums = try await first.sums()
            #expect((UploadContent.window...UploadContent.window + (1 << 20)).contains(try fixture.taken(by: id)))
            let written = Int(UploadContent.window) - 1000
            for _ in 0..<4 { try await first.append(pieces: [[UInt8](repeating: 1, count: written / 4)]) }
            _ = try await first.sums()
            #expect(try fixture.taken(by: id) < 2 * UploadContent.window)
            await first.close()
            #expect(try fixture.taken(by: id) <= UploadContent.window)

            // Where the row stands behind, what lies beyond counts for nothing, and goes too.
            let second = try await fixture.lock(id)
            try await second.resume(at: sums, expecting: declared)
            try await second.expect(declared)
            await second.close()
            #expect(try fixture.taken(by: id) < 1 << 20)
            // Who has only looked at it changes nothing.
            try await fixture.lock(id).close()
            #expect(try fixture.read("\(fixture.root)/spool/uploads/\(id)") == [UInt8].noise(1000))
        }
    }

    @Test(
        "A disk that fills under a declared upload keeps its reserve and what has arrived, and the upload goes on later",
        .enabled(if: SmallDisk.isPossible)
    )
    func filledByOthers() async throws {
        try await SmallDisk.with("size=24m") { root in
            let reserve: Int64 = 4 << 20
            let location = StorageSettings.Location(name: "main", path: root)
            let settings = StorageSettings(volumes: [location], reserve: reserve, threads: 4)
            let storage = LocalStorage(volumes: [try Volume(location)], settings: settings)
            let bytes = [UInt8].noise(12 << 20)
            // Each alone fits; together they are three times what the disk has.
            let ids = (0..<4).map { _ in UploadID.new() }
            var files: [UploadFile] = []
            for id in ids { files.append(try await storage.makeUpload(id, expecting: Int64(bytes.count))) }
            let sums = try await withThrowingTaskGroup(of: RunningSums.self) { group in
                for file in files {
                    group.addTask {
                        for start in stride(from: 0, to: bytes.count, by: 1 << 20) {
                            let piece = bytes[start..<(start + (1 << 20))]
                            if await kind({ try await file.append(pieces: [piece]) }) == .full { break }
                        }
                        _ = await kind { _ = try await file.sums() }
                        return try await file.checkpoint()
                    }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(sums.contains { $0.bytes < Int64(bytes.count) })
            #expect(try storage.volumes[0].free() >= reserve)
            for (id, file) in zip(ids, files) {
                await file.close()
                try await storage.removeUpload(id, on: "main")
            }

            let met = try await storage.makeUpload(id, expecting: Int64(bytes.count))
            let ballast = try await storage.makeUpload(expecting: 14 << 20)
            #expect(await kind { for _ in 0..<3 { try await met.append(pieces: [bytes[..<(4 << 20)]]) } } == .full)
            await ballast.close()
            let standing = try await met.checkpoint()
            await met.close()
            let again = try #require(try await storage.lockUpload(id, on: "main"))
            try await again.resume(at: standing, expecting: Int64(bytes.count))
            try await again.expect(Int64(bytes.count))
            try await again.append(pieces: [bytes[Int(standing.bytes)...]])
            _ = try await again.finish()
        }
    }

    @Test(
        "A declared length for which there is no room is refused and leaves nothing",
        .enabled(if: SmallDisk.isPossible)
    )
    func full() async throws {
        try await SmallDisk.with("size=4m") { root in
            let location = StorageSettings.Location(name: "main", path: root)
            let settings = StorageSettings(volumes: [location], reserve: 0, threads: 2)
            let storage = LocalStorage(volumes: [try Volume(location)], settings: settings)
            let free = try storage.volumes[0].free()
            #expect(await kind { _ = try await storage.makeUpload(id, expecting: 8 << 20) } == .full)
            #expect(!FileManager.default.fileExists(atPath: "\(root)/spool/uploads/\(id)"))
            #expect(try storage.volumes[0].free() == free)
            let file = try await storage.makeUpload(.new(), expecting: nil)
            #expect(await kind { try await file.fill() } == .full)
            await file.close()
        }
    }

    @Test("What was written before the disk was full counts, and is gone on from", .enabled(if: SmallDisk.isPossible))
    func goesOnAfterFull() async throws {
        try await SmallDisk.with("size=4m") { root in
            let location = StorageSettings.Location(name: "main", path: root)
            let settings = StorageSettings(volumes: [location], reserve: 0, threads: 2)
            let storage = LocalStorage(volumes: [try Volume(location)], settings: settings)
            let ballast = try await storage.makeUpload(expecting: 2 << 20)
            let bytes = [UInt8].noise(3 << 20)
            let first = try await storage.makeUpload(id, expecting: nil)
            for start in stride(from: 0, to: bytes.count, by: 1 << 19) {
                if await kind({ try await first.append(pieces: [bytes[start..<(start + (1 << 19))]]) }) != nil { break }
            }
            #expect(await kind { _ = try await first.sums() } == nil)
            let sums = try await first.checkpoint()
            #expect((1..<Int64(bytes.count)).contains(sums.bytes))
            #expect(await kind { try await first.append(pieces: [bytes]) } == nil)
            #expect(await kind { _ = try await first.sums() } == .full)
            await first.close()

            let second = try #require(try await storage.lockUpload(id, on: "main"))
            try await second.resume(at: sums, expecting: nil)
            #expect(await kind { try await second.expect(Int64(bytes.count)) } == .full)
            let free = try storage.volumes[0].free()
            await ballast.close()
            try await SmallDisk.wait(for: free + (2 << 20), on: storage.volumes[0])
            try await second.expect(Int64(bytes.count))
            try await second.append(pieces: [bytes[Int(sums.bytes)...]])
            #expect(try await second.finish().stored.sha256 == RunningSums.of(bytes).digest)
        }
    }
}

extension UploadFile {
    /// Appends more than a small disk holds.
    fileprivate func fill() async throws {
        for _ in 0..<8 { try await append(pieces: [[UInt8].noise(1 << 20)]) }
        _ = try await sums()
    }

    /// A checkpoint of everything that was appended.
    fileprivate func checkpoint(after bytes: Int64) async throws -> RunningSums {
        _ = try await sums()
        let sums = try await checkpoint()
        #expect(sums.bytes == bytes)
        return sums
    }
}

extension StorageFixture {
    /// Bytes the file of an upload has blocks for.
    fileprivate func taken(by id: UploadID) throws -> Int64 {
        try taken(by: "spool/uploads/\(id)")
    }

    fileprivate func lock(_ id: UploadID) async throws -> UploadFile {
        try #require(try await storage.lockUpload(id, on: "main"))
    }
}
