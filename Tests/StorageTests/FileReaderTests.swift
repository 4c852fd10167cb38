import Foundation
import Glibc
import Models
import Testing

@testable import Storage

@Suite("Reading files")
struct FileReaderTests {
    @Test("Bytes are read at any offset, and never fewer than asked for")
    func offsets() async throws {
        try await StorageFixture.with { fixture in
            let bytes = [UInt8].noise(3 << 20)
            let path = "\(fixture.root)/originals/file"
            try Data(bytes).write(to: URL(filePath: path))
            let file = try FileReader(path: path)
            #expect(file.size == Int64(bytes.count))
            for (offset, count) in [(0, bytes.count), (1, 100), (bytes.count - 1, 1), (bytes.count, 0)] {
                var read = [UInt8](repeating: 0, count: count)
                try read.withUnsafeMutableBytes { try file.read(into: $0, at: Int64(offset)) }
                #expect(read == Array(bytes[offset..<(offset + count)]))
            }
            let sums = try file.sums()
            #expect(sums.bytes == file.size)
            #expect(try await fixture.storage.sha256(of: "originals/file", on: "main") == sums.digest)

            var beyond = [UInt8](repeating: 0, count: 2)
            let end = file.size - 1
            #expect(await kind { try beyond.withUnsafeMutableBytes { try file.read(into: $0, at: end) } } == .cut)
            try #require(truncate(path, 10) == 0)
            #expect(await kind { _ = try file.sums() } == .cut)
        }
    }

    @Test("What is no regular file is not opened")
    func irregular() async throws {
        try await StorageFixture.with { fixture in
            try fixture.write("x", to: "\(fixture.root)/file")
            try #require(symlink("\(fixture.root)/file", "\(fixture.root)/link") == 0)
            try #require(mkfifo("\(fixture.root)/pipe", 0o600) == 0)
            for (name, expected) in [
                ("link", StorageError.Kind.outsideVolume), ("pipe", .outsideVolume), ("spool", .outsideVolume),
                ("none", .missing), ("file/x", .io(errno: ENOTDIR, operation: "open")),
            ] {
                #expect(await kind { _ = try FileReader(path: "\(fixture.root)/\(name)") } == expected, "\(name)")
            }
        }
    }
}

extension StorageError.Kind {
    fileprivate static let cut = Self.io(errno: ESTALE, operation: "read")
}
