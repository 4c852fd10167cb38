import Foundation
import Models
import Testing

@testable import Storage

@Suite("Uploads in one request")
struct WholeUploadTests {
    @Test("SHA-256, CRC-32 and size are those of the whole file")
    func sums() async throws {
        try await StorageFixture.with { fixture in
            let file = try await fixture.finished(Array("123456789".utf8))
            #expect(
                file.stored.sha256.description == "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225"
            )
            #expect(file.stored.crc32 == 0xCBF4_3926)
            #expect(file.stored.bytes == 9)

            let empty = try await fixture.finished([])
            #expect(
                empty.stored.sha256.description == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
            )
            #expect(empty.stored.crc32 == 0)
            #expect(empty.stored.bytes == 0)
        }
    }

    @Test("Pieces of every size and kind, empty ones among them, give the file they make together")
    func pieces() async throws {
        try await StorageFixture.with { fixture in
            let bytes = [UInt8].noise(9 << 20)
            let whole = try await fixture.finished(bytes)

            let file = try await fixture.storage.makeUpload(expecting: nil)
            try await file.append([])
            try await file.append(bytes[0..<1])
            try await file.append(Data(bytes[1..<100_000]))
            try await file.append(EmptyCollection())
            try await file.append(Nowhere())
            try await file.append(pieces: [bytes[100_000..<100_001], [], bytes[100_001..<5_000_000]])
            // Without one block of memory behind it.
            try await file.append(bytes[5_000_000..<5_000_100].lazy.map { $0 })
            try await file.append(bytes[5_000_100...])
            try await file.append([])
            let pieced = try await file.finish()
            #expect(pieced.stored.sha256 == whole.stored.sha256)
            #expect(pieced.stored.crc32 == whole.stored.crc32)

            let stored = try await fixture.storage.place(pieced, of: .new())
            #expect(stored.bytes == Int64(bytes.count))
        }
    }

    @Test("While it is written a file has no name, so that a killed process leaves nothing")
    func noName() async throws {
        try await StorageFixture.with(unnamed: true) { fixture in
            let file = try await fixture.storage.makeUpload(expecting: 1 << 20)
            try await file.append([UInt8].noise(600_000))
            let finished = try await file.finish()
            #expect(try fixture.files() == [])
            #expect(try fixture.openFiles() == 1)
            #expect(finished.stored.bytes == 600_000)
        }
    }

    @Test("A closed or forgotten file leaves no name, no descriptor and no blocks", arguments: [true, false])
    func discarded(unnamed: Bool) async throws {
        try await StorageFixture.with(unnamed: unnamed) { fixture in
            let closed = try await fixture.storage.makeUpload(expecting: 32 << 20)
            try await closed.append([UInt8].noise(1 << 20))
            #expect(try fixture.files().count == (unnamed ? 0 : 1))
            #expect(try fixture.openFiles() == 1)
            await closed.close()
            await closed.close()
            #expect(try fixture.openFiles() == 0)
            #expect(try fixture.files() == [])
            #expect(
                await kind {
                    try await closed.append([1])
                    _ = try await closed.finish()
                } != nil
            )

            do {
                let forgotten = try await fixture.storage.makeUpload(expecting: 1000)
                _ = try await forgotten.finish()
            }
            #expect(try fixture.openFiles() == 0)
            #expect(try fixture.files() == [])
        }
    }

    @Test("Of a declared length no more than a window is taken before its bytes come")
    func takesOneWindow() async throws {
        try await StorageFixture.with(unnamed: false) { fixture in
            let file = try await fixture.storage.makeUpload(expecting: 2 << 30)
            let path = try #require(try fixture.files().first)
            #expect(try fixture.taken(by: path) <= UploadContent.window + (1 << 20))
            await file.close()
        }
    }

    @Test("Blocks that were reserved and not used are given back, and the file ends where its bytes end")
    func shorterThanDeclared() async throws {
        try await StorageFixture.with { fixture in
            let file = try await fixture.storage.makeUpload(expecting: 64 << 20)
            try await file.append(Array("short".utf8))
            let stored = try await fixture.storage.place(file.finish(), of: CompanyID.new())
            let path = try #require(try fixture.files().first)
            #expect(try fixture.read("\(fixture.root)/\(path)").count == 5)
            #expect(try fixture.taken(by: path) < 64 << 10)
            #expect(stored.bytes == 5)
        }
    }

    @Test("A file system without unnamed files loses a crashed process's files at the next start, and no living one's")
    func abandonedNames() async throws {
        try await StorageFixture.with(unnamed: false) { fixture in
            let living = try await fixture.storage.makeUpload(expecting: nil)
            try await living.append([1, 2, 3])
            try fixture.write("left by a crash", to: "\(fixture.root)/spool/0000.upload")
            try fixture.write("not ours", to: "\(fixture.root)/spool/other")
            #expect(try fixture.files().count == 3)

            _ = try Volume(StorageSettings.Location(name: "main", path: fixture.root))
            let names = try fixture.files()
            #expect(names.count == 2)
            #expect(!names.contains("spool/0000.upload"))

            let stored = try await fixture.storage.place(living.finish(), of: CompanyID.new())
            #expect(stored.bytes == 3)
        }
    }

    @Test("Many uploads at once keep their bytes apart")
    func manyAtOnce() async throws {
        try await StorageFixture.with { fixture in
            let company = CompanyID.new()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for index in 0..<24 {
                    group.addTask {
                        let bytes = Array([UInt8].noise(300_000 + index).dropFirst(index))
                        let file = try await fixture.storage.makeUpload(expecting: Int64(bytes.count))
                        for start in stride(from: 0, to: bytes.count, by: 70_000) {
                            try await file.append(bytes[start..<min(start + 70_000, bytes.count)])
                        }
                        let stored = try await fixture.storage.place(file.finish(), of: company)
                        #expect(try fixture.read(fixture.storage.originalPath(stored, of: company)) == bytes)
                    }
                }
                try await group.waitForAll()
            }
            #expect(try fixture.openFiles() == 0)
            #expect(try fixture.files().count == 24)
        }
    }
}

/// No bytes, at no address.
private struct Nowhere: Collection, Sendable {
    let startIndex = 0
    let endIndex = 0

    subscript(position: Int) -> UInt8 { 0 }

    func index(after index: Int) -> Int { index + 1 }

    func withContiguousStorageIfAvailable<Result>(
        _ body: (UnsafeBufferPointer<UInt8>) throws -> Result
    ) rethrows -> Result? {
        try body(UnsafeBufferPointer(start: nil, count: 0))
    }
}
