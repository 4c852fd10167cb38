import Foundation
import Glibc
import Models
import Testing

@testable import Storage

@Suite("Partial files")
struct PartialTests {
    @Test("Sums that are put aside at any byte and taken up again are those of the whole file")
    func resumedSums() throws {
        let bytes = [UInt8].noise(1000)
        let whole = RunningSums.of(bytes)
        for cut in [0, 1, 55, 56, 63, 64, 65, 127, 128, 500, 999, 1000] {
            let first = RunningSums.of(Array(bytes[..<cut]))
            var resumed = try #require(RunningSums(encoded: first.encoded, bytes: Int64(cut)))
            bytes[cut...].withUnsafeBytes { resumed.update($0) }
            #expect(resumed.digest == whole.digest, "cut at \(cut)")
            #expect(resumed.encoded == whole.encoded, "cut at \(cut)")
        }
        let abc = RunningSums.of(Array("abc".utf8)).digest?.description
        #expect(abc == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    }

    @Test("A state that is none, or of another number of bytes, is not taken up")
    func damagedSums() {
        let sums = RunningSums.of(Array("abc".utf8))
        #expect(RunningSums(encoded: sums.encoded, bytes: 4) == nil)
        #expect(RunningSums(encoded: sums.encoded, bytes: -1) == nil)
        #expect(RunningSums(encoded: String(sums.encoded.dropLast()), bytes: 3) == nil)
        #expect(RunningSums(encoded: "", bytes: 0) == nil)
        #expect(RunningSums(encoded: "zz" + sums.encoded.dropFirst(2), bytes: 3) == nil)
    }

    @Test("What lies beyond the sums is overwritten, and the file that is placed has the right bytes")
    func overwritten() async throws {
        try await Shelf.with { shelf in
            let bytes = [UInt8].noise(300_000)
            let first = try await shelf.storage.makePartial("one", expecting: 400_000)
            try await first.append(pieces: [bytes[..<100_000]])
            let sums = try await first.checkpoint(after: 100_000)
            try await first.append(pieces: [[UInt8](repeating: 7, count: 290_000)])
            await first.close()

            let second = try await shelf.lock("one")
            try await second.resume(at: sums, expecting: 400_000)
            #expect(try await second.prefix(10) == Array(bytes[..<10]))
            try await second.append(pieces: [bytes[100_000..<150_000], bytes[150_000...]])
            let stored = try await shelf.storage.place(try await second.finish(), of: .new())
            #expect(stored.bytes == 300_000)
            #expect(try shelf.read("\(shelf.root)/spool/uploads/one") == bytes)
            #expect(stored.sha256 == RunningSums.of(bytes).digest)
        }
    }

    @Test("One at a time has a file: another gets it when the first lets go, or its result is dropped")
    func locked() async throws {
        try await Shelf.with { shelf in
            let file = try await shelf.storage.makePartial("one", expecting: nil)
            #expect(try await shelf.storage.lockPartial("one", on: "main") == nil)
            #expect(try await shelf.storage.removeUnusedPartial("one", on: "main") == false)
            try await file.append(pieces: [[1, 2, 3] as [UInt8]])
            do {
                let finished = try await file.finish()
                #expect(try await shelf.storage.lockPartial("one", on: "main") == nil)
                withExtendedLifetime(finished) {}
            }
            try await shelf.lock("one").close()
            #expect(try await shelf.storage.removeUnusedPartial("one", on: "main"))
            #expect(try await shelf.storage.removeUnusedPartial("one", on: "main"))
            #expect(try shelf.files() == [])
        }
    }

    @Test("Letting go of a file drops its lock, also while a forked child has a copy of the descriptor")
    func forked() async throws {
        try await Shelf.with { shelf in
            let file = try await shelf.storage.makePartial("one", expecting: nil)
            let path = URL(filePath: "\(shelf.root)/spool/uploads/one").resolvingSymlinksInPath().path
            let descriptors = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").compactMap(
                Int32.init
            )
            let open = descriptors.filter { descriptor in
                (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\(descriptor)")) == path
            }
            let copy = dup(try #require(open.first))
            defer { Glibc.close(copy) }
            await file.close()
            try await shelf.lock("one").close()
        }
    }

    @Test("A file that is gone, or has lost bytes that count, is said to be missing")
    func missing() async throws {
        try await Shelf.with { shelf in
            #expect(await kind { _ = try await shelf.storage.lockPartial("none", on: "main") } == .missing)
            let file = try await shelf.storage.makePartial("short", expecting: nil)
            let sums = RunningSums.of([1, 2, 3])
            #expect(await kind { try await file.resume(at: sums, expecting: nil) } == .missing)
        }
    }

    @Test("A name that is a path is refused")
    func names() async throws {
        try await Shelf.with { shelf in
            for name in ["../one", "a/b", "", ".."] {
                #expect(await kind { _ = try await shelf.storage.makePartial(name, expecting: nil) } == .outsideVolume)
            }
        }
    }

    @Test("A volume without files without names takes partial files as well")
    func named() async throws {
        try await Shelf.with(unnamed: false) { shelf in
            let file = try await shelf.storage.makePartial("one", expecting: 3)
            try await file.append(pieces: [[1, 2, 3] as [UInt8]])
            let stored = try await shelf.storage.place(try await file.finish(), of: .new())
            #expect(stored.bytes == 3)
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
            #expect(await kind { _ = try await storage.makePartial("one", expecting: 8 << 20) } == .full)
            #expect(!FileManager.default.fileExists(atPath: "\(root)/spool/uploads/one"))
            #expect(try storage.volumes[0].free() == free)
            let file = try await storage.makePartial("two", expecting: nil)
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
            let ballast = try await storage.makePartial("ballast", expecting: 2 << 20)
            let bytes = [UInt8].noise(3 << 20)
            let first = try await storage.makePartial("one", expecting: nil)
            for start in stride(from: 0, to: bytes.count, by: 1 << 19) {
                if await kind({ try await first.append(pieces: [bytes[start..<(start + (1 << 19))]]) }) != nil { break }
            }
            #expect(await kind { _ = try await first.sums() } == nil)
            let sums = try await first.checkpoint()
            #expect((1..<Int64(bytes.count)).contains(sums.bytes))
            #expect(await kind { try await first.append(pieces: [bytes]) } == nil)
            #expect(await kind { _ = try await first.sums() } == .full)
            await first.close()

            let second = try #require(try await storage.lockPartial("one", on: "main"))
            try await second.resume(at: sums, expecting: nil)
            #expect(await kind { try await second.reserve(Int64(bytes.count)) } == .full)
            let free = try storage.volumes[0].free()
            await ballast.close()
            try await storage.removePartial("ballast", on: "main")
            try await SmallDisk.wait(for: free + (2 << 20), on: storage.volumes[0])
            try await second.reserve(Int64(bytes.count))
            try await second.append(pieces: [bytes[Int(sums.bytes)...]])
            #expect(try await second.finish().sha256 == RunningSums.of(bytes).digest)
        }
    }
}

extension RunningSums {
    fileprivate static func of(_ bytes: [UInt8]) -> RunningSums {
        var sums = RunningSums()
        bytes.withUnsafeBytes { sums.update($0) }
        return sums
    }
}

extension PartialFile {
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

extension Shelf {
    fileprivate func lock(_ name: String) async throws -> PartialFile {
        try #require(try await storage.lockPartial(name, on: "main"))
    }
}
