import Foundation
import Testing

@testable import MediaWorker

@Suite("Pictures that other tools show")
struct OddPictureTests {
    private let processor = MediaFixture.processor

    private func colours(of source: String, in fixture: MediaFixture) async throws -> [Colour] {
        let output = try await processor.process(source: source, workspace: fixture.work)
        return try await fixture.quarterColours(of: output.renditions[0].file)
    }

    private func expectQuarters(_ source: String, in fixture: MediaFixture, within tolerance: Int = 12) async throws {
        let colours = try await colours(of: source, in: fixture)
        #expect(zip(colours, Quarters.shown).allSatisfy { $0.isNear($1, within: tolerance) }, "\(colours)")
    }

    @Test("A JPEG that lacks only its end mark is whole", arguments: ["", "[interlace]"])
    func endMark(_ options: String) async throws {
        try await MediaFixture.with { fixture in
            let plain = try await fixture.quarters(zoom: 8)
            try await fixture.run("vips", "copy", plain, fixture.path("whole.jpg") + options)
            let whole = try fixture.read(fixture.path("whole.jpg"))
            try await expectQuarters(try fixture.write(whole.dropLast(2), "open.jpg"), in: fixture)
        }
    }

    @Test("A profile for other colours than the picture's is passed over", arguments: ["srgb", "cmyk"])
    func otherProfile(_ space: String) async throws {
        try await MediaFixture.with { fixture in
            try await fixture.convert(try await fixture.quarters(), to: space, as: "plain.jpg[Q=95,strip]")
            let plain = try fixture.read(fixture.path("plain.jpg"))
            let source = try fixture.write(plain.prefix(2) + GreyProfile.segment + plain.dropFirst(2), "grey.jpg")
            #expect(try await fixture.run("vipsheader", "-a", source).contains("icc-profile-data"))
            try await expectQuarters(source, in: fixture, within: space == "cmyk" ? 70 : 12)
        }
    }

    @Test("Numbers that are no bytes are shown by their range", arguments: [1.0 / 255, 1, 300])
    func range(_ factor: Double) async throws {
        try await MediaFixture.with { fixture in
            try await fixture.run("vips", "linear", try await fixture.quarters(), fixture.path("f.v"), "\(factor)", "0")
            try await fixture.run("vips", "cast", fixture.path("f.v"), fixture.path("float.tif"), "float")
            // What goes beyond a screen's numbers is shown from the least to the greatest.
            try await expectQuarters(fixture.path("float.tif"), in: fixture, within: factor > 1 ? 45 : 12)
        }
    }

    @Test("Of many bands the first three are shown")
    func bands() async throws {
        try await MediaFixture.with { fixture in
            let plain = try await fixture.quarters()
            let three = fixture.path("three.v")
            try await fixture.run("vips", "copy", plain, three)
            try await fixture.run("vips", "bandjoin", "\(three) \(three) \(three)", fixture.path("nine.tif"))
            try await expectQuarters(fixture.path("nine.tif"), in: fixture)
        }
    }

    @Test("A picture in CIE L*a*b* is shown in its colours", arguments: ["8", "16"])
    func lab(bits: String) async throws {
        try await MediaFixture.with { fixture in
            let lab = fixture.path("lab.tif")
            try await fixture.run("convert", try await fixture.quarters(), "-colorspace", "LAB", "-depth", bits, lab)
            // Eight bits have few steps for a colour.
            try await expectQuarters(lab, in: fixture, within: bits == "8" ? 32 : 12)
        }
    }

    @Test("PNG's gamma is followed, but not where the file says sRGB", arguments: [true, false])
    func gamma(isSRGB: Bool) async throws {
        try await MediaFixture.with { fixture in
            let grey = try fixture.write(
                Data("P6 64 64 255\n".utf8) + Data(repeating: 128, count: 64 * 64 * 3),
                "grey.ppm"
            )
            try await fixture.run("vips", "pngsave", grey, fixture.path("plain.png"), "--strip")
            let plain = try fixture.read(fixture.path("plain.png"))
            // Light is the number itself; 33 bytes are the signature and the header.
            let chunks = PNG.chunk("gAMA", Data([0, 1, 0x86, 0xA0])) + (isSRGB ? PNG.chunk("sRGB", Data([0])) : Data())
            let source = try fixture.write(plain.prefix(33) + chunks + plain.dropFirst(33), "gamma.png")
            let level = isSRGB ? 128 : 188
            let shown = Colour(red: level, green: level, blue: level)
            let colours = try await colours(of: source, in: fixture)
            #expect(colours.allSatisfy { $0.isNear(shown, within: 3) }, "\(colours)")
        }
    }

    @Test("An AVIF that says Display P3 by code points keeps its look", .enabled(if: MediaFixture.has("heif-enc")))
    func codePoints() async throws {
        try await MediaFixture.with { fixture in
            try await fixture.convert(try await fixture.quarters(zoom: 2), to: "p3", as: "p3.png[strip]")
            let stored = try await fixture.quarterColours(of: fixture.path("p3.png"))
            #expect(!stored[0].isNear(.red), "the input is no test of colours: \(stored)")
            let source = try await fixture.avif(of: fixture.path("p3.png"), primaries: 12, transfer: 13)
            try await expectQuarters(source, in: fixture, within: 25)
        }
    }

    @Test("White of high dynamic range is nearly as white as a page", .enabled(if: MediaFixture.has("heif-enc")))
    func highDynamicRange() async throws {
        try await MediaFixture.with { fixture in
            // 203 cd/m² in ST 2084 is 0.5807 of the range (ITU-R BT.2408).
            let pixels = Data(repeating: UInt8((0.5807 * 255).rounded()), count: 64 * 64 * 3)
            let grey = try fixture.write(Data("P6 64 64 255\n".utf8) + pixels, "grey.ppm")
            try await fixture.run("vips", "pngsave", grey, fixture.path("grey.png"), "--strip")
            let source = try await fixture.avif(of: fixture.path("grey.png"), primaries: 9, transfer: 16)
            let colours = try await colours(of: source, in: fixture)
            let white = Colour(red: 237, green: 237, blue: 237)
            #expect(colours.allSatisfy { $0.isNear(white, within: 8) }, "\(colours)")
        }
    }

    @Test(
        "A HEIF file is opened by any of its brands",
        .enabled(if: MediaFixture.has("heif-enc")),
        arguments: ["mif2", "hevx", "avis", "msf1"]
    )
    func brands(_ brand: String) async throws {
        try await MediaFixture.with { fixture in
            try await fixture.run("vips", "copy", try await fixture.quarters(), fixture.path("plain.png"))
            let codec = brand == "avis" ? ["-A"] : []
            try await fixture.run(
                "heif-enc",
                codec + ["-q", "90", "-o", fixture.path("plain.heif"), fixture.path("plain.png")]
            )
            let plain = try fixture.read(fixture.path("plain.heif"))
            let renamed = plain.prefix(8) + Data(brand.utf8) + plain.dropFirst(12)
            try await expectQuarters(try fixture.write(renamed, "renamed.heif"), in: fixture, within: 25)
        }
    }

    @Test("A raw picture is shown by its largest preview, upright")
    func rawPreview() async throws {
        try await MediaFixture.with { fixture in
            let preview = try await fixture.quarters(orientation: 6, zoom: 5)
            try await fixture.run("vips", "jpegsave", preview, fixture.path("preview.jpg"), "--Q", "95", "--strip")
            let raw = RawFile.bytes(preview: try fixture.read(fixture.path("preview.jpg")), orientation: 6)
            let source = try fixture.write(raw, "phone.dng")
            let output = try await processor.process(source: source, workspace: fixture.work)
            #expect(output.size == PixelSize(480, 320))
            try await expectQuarters(source, in: fixture)
        }
    }

    @Test("A raw picture without a preview is refused as one", arguments: [true, false])
    func rawAlone(hasSmallPreview: Bool) async throws {
        try await MediaFixture.with { fixture in
            var preview: Data?
            if hasSmallPreview {
                let small = try await fixture.quarters()
                try await fixture.run("vips", "jpegsave", small, fixture.path("preview.jpg"), "--strip")
                preview = try fixture.read(fixture.path("preview.jpg"))
            }
            let source = try fixture.write(RawFile.bytes(preview: preview, orientation: 1), "raw.dng")
            let processor = processor
            let refusal = try await failure { () async throws(MediaFailure) in
                try await processor.process(source: source, workspace: fixture.work)
            }
            #expect(refusal == .rawImage)
        }
    }

    @Test("What is decoded in strips may be larger than what is opened whole", arguments: ["", "[interlace]"])
    func decodedBytes(_ options: String) async throws {
        try await MediaFixture.with { fixture in
            let source = fixture.path("large.jpg")
            try await fixture.run("vips", "copy", try await fixture.quarters(zoom: 10), source + options)
            var settings = MediaSettings()
            settings.maximumDecodedBytes = 1 << 20
            let processor = ImageProcessor(settings: settings, logger: .silent)
            guard options.isEmpty else {
                let refusal = try await failure { () async throws(MediaFailure) in
                    try await processor.process(source: source, workspace: fixture.work)
                }
                #expect(refusal == .imageTooLarge(1 << 20))
                return
            }
            let output = try await processor.process(source: source, workspace: fixture.work)
            #expect(output.size == PixelSize(960, 640))
        }
    }
}

@Suite("Compressed pictures are not larger than their originals")
struct CompressedSizeTests {
    private let processor = MediaFixture.processor

    /// A picture that JPEG finds hard.
    private func noise(in fixture: MediaFixture, as name: String) async throws -> String {
        try await fixture.run("vips", "gaussnoise", fixture.path("noise.v"), "640", "480")
        try await fixture.run("vips", "cast", fixture.path("noise.v"), fixture.path("bytes.v"), "uchar")
        try await fixture.run("vips", "copy", fixture.path("bytes.v"), fixture.path(name))
        return fixture.path(name).replacing(/\[.*/, with: "")
    }

    private func compressed(of source: String, in fixture: MediaFixture) async throws -> MadeRendition {
        let output = try await processor.process(source: source, workspace: fixture.work)
        return output.renditions[0]
    }

    @Test("A JPEG that is compressed well keeps its pixels and loses its metadata", arguments: [1, 6, 8])
    func jpeg(orientation: Int) async throws {
        try await MediaFixture.with { fixture in
            let plain = try fixture.read(try await noise(in: fixture, as: "plain.jpg[Q=50,strip]"))
            let exif = Exif.segment(orientation: orientation)
            let source = try fixture.write(plain.prefix(2) + exif + plain.dropFirst(2), "photo.jpg")
            let made = try await compressed(of: source, in: fixture)
            let bytes = try fixture.read(made.file)
            #expect(bytes.count <= plain.count + exif.count)
            #expect(bytes.range(of: Data(Exif.title.utf8)) == nil)
            #expect(made.size == (orientation == 1 ? PixelSize(640, 480) : PixelSize(480, 640)))
            try await fixture.run("vips", "autorot", source, fixture.path("before.v"))
            try await fixture.run("vips", "subtract", fixture.path("before.v"), made.file, fixture.path("difference.v"))
            let difference = try await fixture.run("vips", "deviate", fixture.path("difference.v"))
            // Decoders do not smooth colours alike in both directions; another compression would differ by more than 1.
            let deviation = try #require(Double(difference.trimmingCharacters(in: .whitespacesAndNewlines)))
            #expect(deviation <= (orientation == 1 ? 0 : 0.3))
        }
    }

    @Test("A drawing in PNG stays one, without its metadata")
    func png() async throws {
        try await MediaFixture.with { fixture in
            try await fixture.run("vips", "copy", try await fixture.quarters(zoom: 4), fixture.path("plain.png[strip]"))
            let plain = try fixture.read(fixture.path("plain.png"))
            let secret = PNG.chunk("tEXt", Data("Comment\0\(Exif.title)".utf8))
            let source = try fixture.write(plain.prefix(33) + secret + plain.dropFirst(33), "drawing.png")
            let made = try await compressed(of: source, in: fixture)
            #expect(made.contentType == "image/png")
            #expect(made.file.hasSuffix("/compressed.png"))
            let bytes = try fixture.read(made.file)
            #expect(bytes.count <= plain.count)
            #expect(bytes.range(of: Data(Exif.title.utf8)) == nil)
            #expect(try await fixture.quarterColours(of: made.file) == Quarters.shown)
        }
    }

    @Test("What cannot be copied is compressed more", arguments: ["photo.webp[Q=30]", "photo.heic[Q=30]"])
    func quality(_ name: String) async throws {
        try await MediaFixture.with { fixture in
            let source = try await noise(in: fixture, as: name)
            let made = try await compressed(of: source, in: fixture)
            #expect(try fixture.read(made.file).count <= fixture.read(source).count)
        }
    }
}

extension MediaFixture {
    /// An AVIF whose numbers are the picture's, and whose file says what they are by code points (ITU-T H.273).
    fileprivate func avif(of picture: String, primaries: UInt8, transfer: UInt8) async throws -> String {
        try await run("heif-enc", "-A", "-q", "95", "-o", path("plain.avif"), picture)
        var bytes = try read(path("plain.avif"))
        let place = try #require(bytes.range(of: Data("nclx".utf8))).upperBound
        bytes.replaceSubrange(place..<(place + 4), with: [0, primaries, 0, transfer])
        return try write(bytes, "said.avif")
    }
}

/// A chunk of a PNG file.
enum PNG {
    static func chunk(_ type: String, _ body: Data) -> Data {
        let content = Data(type.utf8) + body
        return big(body.count) + content + big(Int(Hostile.crc32(content)))
    }

    static func big(_ value: Int) -> Data { Data([24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) }) }
}

/// An ICC profile for grey pictures (ICC.1, 8.3.4): a white point and a curve.
enum GreyProfile {
    /// As an APP2 segment of a JPEG.
    static var segment: Data {
        let body = Data("ICC_PROFILE\0".utf8) + [1, 1] + bytes
        return Data([0xFF, 0xE2, UInt8((body.count + 2) >> 8), UInt8((body.count + 2) & 255)]) + body
    }

    private static var bytes: Data {
        let white = Data("XYZ \0\0\0\0".utf8) + PNG.big(0xF6D6) + PNG.big(0x10000) + PNG.big(0xD32D)
        let curve = Data("curv\0\0\0\0".utf8) + PNG.big(1) + Data([2, 0x33, 0, 0])
        let words = Data("desc\0\0\0\0".utf8) + PNG.big(5) + Data("grey\0".utf8) + Data(repeating: 0, count: 79)
        let tags = [("wtpt", white), ("kTRC", curve), ("desc", words)]
        var table = PNG.big(tags.count)
        var content = Data()
        for (name, body) in tags {
            table += Data(name.utf8) + PNG.big(128 + 4 + 12 * tags.count + content.count) + PNG.big(body.count)
            content += body
        }
        let size = 128 + table.count + content.count
        var header = PNG.big(size) + Data("lcms".utf8) + PNG.big(0x0210_0000) + Data("mntrGRAYXYZ ".utf8)
        header += Data(repeating: 0, count: 12) + Data("acsp".utf8) + Data(repeating: 0, count: 28)
        header += PNG.big(0xF6D6) + PNG.big(0x10000) + PNG.big(0xD32D)
        return header + Data(repeating: 0, count: 128 - header.count) + table + content
    }
}

/// A camera's raw file as DNG has it: pixels of a filter mosaic, and perhaps a preview in a directory of its own.
enum RawFile {
    static func bytes(preview: Data?, orientation: Int) -> Data {
        let (width, height) = (64, 48)
        let pixels = Data(repeating: 20, count: width * height * 2)
        let pixelsAt = 8
        let previewAt = pixelsAt + pixels.count
        let directoryAt = (previewAt + (preview?.count ?? 0) + 1) & ~1
        var first: [(Int, Int, Int)] = [
            (254, 4, 0), (256, 4, width), (257, 4, height), (258, 3, 16), (259, 3, 1), (262, 3, 32_803),
            (273, 4, pixelsAt), (274, 3, orientation), (277, 3, 1), (278, 4, height), (279, 4, pixels.count),
        ]
        let count = first.count + (preview == nil ? 1 : 2)
        let secondAt = directoryAt + 2 + 12 * count + 4
        if preview != nil { first.append((330, 4, secondAt)) }
        first.append((50_706, 4, 0x0000_0401))
        var file = Data("II*\0".utf8) + little(directoryAt, 4) + pixels + (preview ?? Data())
        file += Data(repeating: 0, count: directoryAt - file.count) + directory(first)
        if let preview {
            file += directory([
                (254, 4, 1), (256, 4, 480), (257, 4, 320), (259, 3, 7), (262, 3, 6), (273, 4, previewAt),
                (279, 4, preview.count),
            ])
        }
        return file
    }

    private static func directory(_ entries: [(tag: Int, type: Int, value: Int)]) -> Data {
        entries.reduce(little(entries.count, 2)) { bytes, entry in
            bytes + little(entry.tag, 2) + little(entry.type, 2) + little(1, 4) + little(entry.value, 4)
        } + little(0, 4)
    }

    private static func little(_ value: Int, _ count: Int) -> Data {
        Data((0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) })
    }
}
