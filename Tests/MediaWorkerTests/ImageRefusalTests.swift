import Foundation
import Testing

@testable import MediaWorker

@Suite("Photos that are refused")
struct ImageRefusalTests {
    private let processor = MediaFixture.processor

    private func refusal(of source: String, in fixture: MediaFixture) async throws -> MediaFailure {
        let processor = processor
        return try await failure { () async throws(MediaFailure) in
            try await processor.process(source: source, workspace: fixture.work)
        }
    }

    @Test(
        "A photo that ends early is damaged",
        arguments: ["picture.jpg", "picture.png", "picture.webp", "picture.tif"]
    )
    func truncated(_ name: String) async throws {
        try await MediaFixture.with { fixture in
            try await fixture.run("vips", "copy", try await fixture.photo(zoom: 8), fixture.path(name))
            let refusal = try await refusal(of: try fixture.cut(fixture.path(name), to: 0.6), in: fixture)
            // The directory of a TIFF is at its end: nothing is left to know it by.
            #expect(refusal.code == (name == "picture.tif" ? "unsupported_image" : "damaged_image"))
            #expect(refusal.isPermanent)
            #expect(!refusal.reason.contains("/"))
        }
    }

    @Test("A JPEG with an oddity its decoder only warns about is a good photo")
    func oddity() async throws {
        try await MediaFixture.with { fixture in
            let photo = try fixture.read(try await fixture.photo())
            // Bytes that belong to no segment, between two segments.
            let odd = try fixture.write(photo.prefix(2) + Data([0x00, 0x11, 0x22]) + photo.dropFirst(2), "odd.jpg")
            let output = try await processor.process(source: odd, workspace: fixture.work)
            #expect(output.renditions.count == 2)
        }
    }

    @Test("A picture of 40 000 × 40 000 pixels is refused by its header")
    func pixelBomb() async throws {
        try await MediaFixture.with { fixture in
            let bomb = try fixture.write(Hostile.png(width: 40_000, height: 40_000), "bomb.png")
            let refusal = try await refusal(of: bomb, in: fixture)
            #expect(refusal.code == "too_many_pixels")
            #expect(refusal.isPermanent)
            #expect(refusal.reason.contains("250 megapixels"))
        }
    }

    @Test("An animation of 10 000 frames is refused by its header")
    func frameBomb() async throws {
        try await MediaFixture.with { fixture in
            let gif = try fixture.write(Hostile.gif(frames: 10_000), "frames.gif")
            #expect(try await refusal(of: gif, in: fixture).code == "too_many_frames")
        }
    }

    @Test("What is no photo is refused whatever its name says", arguments: Hostile.noPhotos)
    func noPhoto(_ text: String) async throws {
        try await MediaFixture.with { fixture in
            let refusal = try await refusal(of: try fixture.write(Data(text.utf8), "photo.jpg"), in: fixture)
            #expect(refusal.code == "unsupported_image")
            #expect(refusal.isPermanent)
        }
    }

    @Test("A missing original or a missing workspace is the machine's fault: another attempt may succeed")
    func machine() async throws {
        try await MediaFixture.with { fixture in
            let missing = try await refusal(of: fixture.path("nothing.jpg"), in: fixture)
            #expect(missing == .sourceUnavailable)
            let photo = try await fixture.photo()
            try FileManager.default.removeItem(atPath: fixture.work)
            let unwritten = try await refusal(of: photo, in: fixture)
            #expect(unwritten.code == "cannot_write")
            #expect(!unwritten.isPermanent)
        }
    }

    @Test("A picture whose decoder got too little memory is tried again with as much as a picture may have")
    func moreMemory() async throws {
        try await MediaFixture.with { fixture in
            let large = try await fixture.memoryHungry()
            let frugal = ImageProcessor(settings: MediaSettings(), logger: .silent) { _ in 0 }
            let output = try await frugal.process(source: large, workspace: fixture.work)
            #expect(output.renditions.count == 2)
        }
    }

    @Test("A picture that takes more memory than there may be is refused for that, not as a damaged one")
    func tooLittleMemory() async throws {
        try await MediaFixture.with { fixture in
            let large = try await fixture.memoryHungry()
            var settings = MediaSettings()
            settings.imageMemoryBytes = 1 << 20
            let poor = ImageProcessor(settings: settings, logger: .silent)
            let refusal = try await failure { () async throws(MediaFailure) in
                try await poor.process(source: large, workspace: fixture.work)
            }
            #expect(refusal == .imageTooDemanding)
            #expect(refusal.reason.contains("more memory than a picture may have"))
        }
    }

    @Test("A cancelled task starts no picture")
    func cancelled() async throws {
        try await MediaFixture.with { fixture in
            let photo = try await fixture.photo()
            let processor = processor
            let task = Task {
                withUnsafeCurrentTask { $0?.cancel() }
                return try await failure { () async throws(MediaFailure) in
                    try await processor.process(source: photo, workspace: fixture.work)
                }
            }
            #expect(try await task.value == .stopped)
        }
    }
}

/// Files nobody sends by accident.
enum Hostile {
    static let noPhotos = [
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"10\" height=\"10\"><rect width=\"10\" height=\"10\"/></svg>",
        "<!doctype html><title>x</title>", "%PDF-1.7\n", "P6 1 1 255\nabc", "1 1\n5\n", "",
    ]

    /// A PNG whose header promises a size and whose pixels are missing.
    static func png(width: Int, height: Int) -> Data {
        let header = PNG.chunk("IHDR", PNG.big(width) + PNG.big(height) + Data([8, 2, 0, 0, 0]))
        return Data([0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]) + header
            + PNG.chunk("IDAT", Data([0x78, 0x9C])) + PNG.chunk("IEND", Data())
    }

    /// A GIF of many frames of one pixel.
    static func gif(frames: Int) -> Data {
        let header = Data("GIF89a".utf8) + Data([1, 0, 1, 0, 0x80, 0, 0, 255, 0, 0, 0, 0, 255])
        let frame = Data([0x21, 0xF9, 4, 0, 10, 0, 0, 0, 0x2C, 0, 0, 0, 0, 1, 0, 1, 0, 0, 2, 2, 0x44, 1, 0])
        var file = header
        for _ in 0..<frames { file += frame }
        return file + Data([0x3B])
    }

    static func crc32(_ bytes: Data) -> UInt32 {
        var crc: UInt32 = .max
        for byte in bytes {
            crc ^= UInt32(byte)
            for _ in 0..<8 { crc = crc & 1 == 1 ? (crc >> 1) ^ 0xEDB8_8320 : crc >> 1 }
        }
        return ~crc
    }
}
