import Config
import Foundation
import HTTPTypes
import Logging
import Models
import NIOCore
import Storage
import Testing

import struct Crypto.SHA256

@testable import API

/// Bytes on their way to a real volume, in a directory that goes when the test ends.
@Suite("Files that come in one request")
struct IncomingFileTests {
    private static let limits: UploadLimits = {
        var limits = UploadLimits()
        limits.imageBytes = 10_000
        limits.documentBytes = 20_000
        limits.videoBytes = 40_000
        return limits
    }()

    private static func with(_ body: (LocalStorage) async throws -> Void) async throws {
        let root = FileManager.default.temporaryDirectory.appending(path: "tolva-incoming-\(UUID())")
        try FileManager.default.createDirectory(at: root, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(at: root) }
        let location = StorageSettings.Location(name: "main", path: root.path)
        let settings = StorageSettings(volumes: [location], reserve: 0, threads: 2)
        try await body(try LocalStorage(settings: settings, logger: Logger(label: "test")))
        #expect(try openFiles(below: root.path).isEmpty)
    }

    /// This process's files that are open below a directory, named or not.
    private static func openFiles(below root: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").compactMap { name in
            let path = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\(name)")
            return path.flatMap { $0.hasPrefix("\(root)/spool/") && !$0.hasSuffix("/spool/uploads") ? $0 : nil }
        }
    }

    private static func file(
        _ name: String,
        _ type: String? = nil,
        _ length: IncomingFile.Length = .atMost(nil),
        limits: UploadLimits = limits,
        in storage: LocalStorage
    ) throws -> IncomingFile {
        IncomingFile(
            named: try Filename(cleaning: Array(name.utf8)),
            declaredType: type,
            hasItem: true,
            length: length,
            limits: limits,
            storage: storage
        )
    }

    /// What is thrown as the bytes come in pieces of a size; nil if nothing is.
    private static func refusal(
        of bytes: [UInt8],
        in pieces: Int,
        _ file: inout IncomingFile
    ) async -> (any Error)? {
        do {
            for start in stride(from: 0, to: bytes.count, by: pieces) {
                try await file.append(ByteBuffer(bytes: bytes[start..<min(bytes.count, start + pieces)]))
            }
            _ = try await file.finish()
            return nil
        } catch {
            await file.discard()
            return error
        }
    }

    private static func jpeg(_ count: Int) -> [UInt8] {
        Sample.jpeg + [UInt8](repeating: 7, count: count - Sample.jpeg.count)
    }

    @Test("A file is what its bytes say, however they are cut, and is summed", arguments: [1, 100, 4095, 4096, 10_000])
    func received(pieces: Int) async throws {
        try await Self.with { storage in
            let bytes = Self.jpeg(10_000)
            var file = try Self.file("dir/foto.png", "image/png", .exactly(10_000), in: storage)
            for start in stride(from: 0, to: bytes.count, by: pieces) {
                try await file.append(ByteBuffer(bytes: bytes[start..<min(bytes.count, start + pieces)]))
            }
            #expect(file.bytes == 10_000)
            let received = try await file.finish()
            #expect(received.content.kind == .image)
            #expect(received.filename == "foto.png")
            #expect(received.content.contentType == "image/jpeg")
            #expect(received.file.bytes == 10_000)
            #expect(received.file.sha256 == SHA256Digest(bytes: SHA256.hash(data: bytes)))
        }
    }

    @Test("A small file is held and a large one is written", arguments: [100, 200_000, 300_000])
    func held(count: Int) async throws {
        try await Self.with { storage in
            var limits = Self.limits
            limits.imageBytes = 1 << 20
            var file = try Self.file("a.jpg", limits: limits, in: storage)
            for start in stride(from: 0, to: count, by: 50_000) {
                let piece = Self.jpeg(count)[start..<min(count, start + 50_000)]
                try await file.append(ByteBuffer(bytes: piece))
            }
            let received = try await file.finish()
            guard case .held(let bytes) = received.file else {
                #expect(count == 300_000)
                return
            }
            #expect(count < 300_000)
            #expect(bytes == Self.jpeg(count))
        }
    }

    @Test("A file without a name is called after what it is")
    func unnamed() async throws {
        try await Self.with { storage in
            var file = try Self.file("", in: storage)
            try await file.append(ByteBuffer(bytes: Self.jpeg(100)))
            #expect(try await file.finish().filename == "unnamed.jpg")
        }
    }

    @Test("An empty file, one that is not what it claims and one the operator has not listed are rejected, and say why")
    func rejected() async throws {
        try await Self.with { storage in
            let cases: [(name: String, type: String?, bytes: [UInt8], code: ContentRejection.Code)] = [
                ("a.jpg", "image/jpeg", [], .emptyFile),
                ("a.mp4", "video/mp4", Self.jpeg(9000), .contentMismatch),
                ("a.jpg", nil, Array("%PDF-1.7".utf8), .contentMismatch),
                ("a.bin", nil, [UInt8](repeating: 0, count: 9000), .unsupportedType),
            ]
            var limits = Self.limits
            limits.documentTypes = try DocumentTypes("pdf")
            for (name, type, bytes, code) in cases {
                var file = try Self.file(name, type, limits: limits, in: storage)
                let refusal = try #require(await Self.refusal(of: bytes, in: 1000, &file) as? ContentRejection)
                #expect(refusal.code == code)
                let rejected = file.rejected(because: refusal)
                #expect(rejected.filename == name)
                #expect(rejected.code == code.rawValue)
                #expect(rejected.detail == refusal.detail)
            }
        }
    }

    @Test("A file with more bytes than its kind may have is refused, and one with as many is not")
    func tooManyBytes() async throws {
        try await Self.with { storage in
            let samples: [(name: String, start: [UInt8], limit: Int, sort: String)] = [
                ("a.jpg", Sample.jpeg, 10_000, "an image"), ("a.pdf", Array("%PDF-1.7".utf8), 20_000, "a document"),
                ("a.mp4", Sample.mp4, 40_000, "a video"),
            ]
            for (name, start, limit, sort) in samples {
                for (count, isRefused) in [(limit, false), (limit + 1, true)] {
                    let bytes = start + [UInt8](repeating: 32, count: count - start.count)
                    var file = try Self.file(name, in: storage)
                    let refusal = await Self.refusal(of: bytes, in: 3000, &file)
                    #expect((refusal as? APIError)?.code == (isRefused ? "file_too_large" : nil))
                    guard let refusal = refusal as? APIError else { continue }
                    #expect(refusal.status == .contentTooLarge)
                    #expect(refusal.detail == "“\(name)” is too large: \(sort) may have \(limit) bytes at most.")
                }
            }
        }
    }

    @Test("A declared length beyond the limit of its kind refuses a file as soon as its first bytes say what it is")
    func tooLongByDeclaration() async throws {
        try await Self.with { storage in
            var file = try Self.file("a.jpg", nil, .exactly(10_001), in: storage)
            try await file.append(ByteBuffer(bytes: Self.jpeg(4095)))
            let error = await #expect(throws: APIError.self) { try await file.append(ByteBuffer(bytes: [7])) }
            #expect(error?.code == "file_too_large")

            // The rest of a form may be longer than one of its files.
            var part = try Self.file("a.jpg", nil, .atMost(1 << 40), in: storage)
            #expect(await Self.refusal(of: Self.jpeg(10_000), in: 1000, &part) == nil)
        }
    }

    @Test("A length no kind of file may have is refused before anything comes")
    func tooLongForAny() throws {
        try Self.limits.requireFile(of: nil)
        try Self.limits.requireFile(of: 40_000)
        let error = #expect(throws: APIError.self) { try Self.limits.requireFile(of: 40_001) }
        #expect(error?.code == "file_too_large")
        #expect(error?.detail == "A file may have 40000 bytes at most.")
    }

    @Test("A file that is given up, before or after its kind is known, leaves no open file")
    func discarded() async throws {
        try await Self.with { storage in
            for count in [0, 100, 5000] {
                var file = try Self.file("a.jpg", in: storage)
                try await file.append(ByteBuffer(bytes: Self.jpeg(max(count, Sample.jpeg.count))))
                await file.discard()
            }
        }
    }
}

@Suite("Limits of uploads")
struct UploadLimitsTests {
    private static let sizes = [
        "MAX_IMAGE_BYTES", "MAX_DOCUMENT_BYTES", "MAX_IMAGES_BYTES_PER_REQUEST", "MAX_VIDEO_BYTES", "MINIMUM_RATE",
    ]

    @Test("A size that is practically none is taken for a pebibyte, so that no sum of limits overflows")
    func unlimited() throws {
        let variables = Dictionary(uniqueKeysWithValues: Self.sizes.map { ($0, "\(Int64.max)") })
        let limits = try UploadLimits(reader: APIFixture.reader(variables))
        let read = [
            limits.imageBytes, limits.documentBytes, limits.imagesBytes, limits.videoBytes, limits.minimumRate,
        ]
        #expect(read == Array(repeating: 1 << 50, count: read.count))
    }

    @Test("One file of the largest size always fits in what may lie unfinished; a limit that forbids it says so")
    func unfinished() throws {
        let large = try UploadLimits(reader: APIFixture.reader(["MAX_VIDEO_BYTES": "1TiB"])).unfinished
        #expect((large.bytesOfUser, large.bytesOfCompany) == (1 << 40, 1 << 40))
        let set = try UploadLimits(reader: APIFixture.reader(["MAX_UNFINISHED_BYTES_PER_USER": "2GiB"])).unfinished
        #expect((set.bytesOfUser, set.bytesOfCompany, set.uploadsOfUser) == (2 << 30, 200 << 30, 1000))
        for name in ["MAX_UNFINISHED_BYTES_PER_USER", "MAX_UNFINISHED_BYTES"] {
            let error = #expect(throws: SettingsError.self) {
                try UploadLimits(reader: APIFixture.reader([name: "2147483647"]))
            }
            #expect(error?.variable == name)
        }
    }
}
