import Foundation
import Testing

@testable import MediaWorker

@Suite("Renditions of photos")
struct ImageRenditionTests {
    private let processor = MediaFixture.processor

    @Test("A photo is shown upright whatever its EXIF orientation", arguments: 1...8)
    func orientation(_ orientation: Int) async throws {
        try await MediaFixture.with { fixture in
            let photo = try await fixture.photo(orientation: orientation)
            let output = try await processor.process(source: photo, workspace: fixture.work)
            #expect(output.size == PixelSize(96, 64))
            for rendition in output.renditions {
                let colours = try await fixture.quarterColours(of: rendition.file)
                #expect(zip(colours, Quarters.shown).allSatisfy { $0.isNear($1) }, "\(rendition.name): \(colours)")
            }
        }
    }

    @Test("An orientation that EXIF does not define counts as upright")
    func undefinedOrientation() async throws {
        try await MediaFixture.with { fixture in
            let photo = try await fixture.photo(orientation: 9)
            let output = try await processor.process(source: photo, workspace: fixture.work)
            let colours = try await fixture.quarterColours(of: output.renditions[0].file)
            #expect(zip(colours, Quarters.shown).allSatisfy { $0.isNear($1) })
        }
    }

    @Test("Both renditions are JPEG files of their stated size, with the long side at its limit")
    func sizes() async throws {
        try await MediaFixture.with { fixture in
            let photo = try await fixture.photo(orientation: 6, zoom: 40)
            let output = try await processor.process(source: photo, workspace: fixture.work)
            #expect(output.size == PixelSize(3840, 2560))
            #expect(output.renditions.map(\.name) == ["compressed", "thumbnail"])
            #expect(output.renditions.map(\.contentType) == ["image/jpeg", "image/jpeg"])
            #expect(output.renditions.map(\.size) == [PixelSize(1920, 1280), PixelSize(320, 213)])
            for rendition in output.renditions {
                let header = try await fixture.run("vipsheader", rendition.file)
                #expect(header.contains("\(rendition.size.width)x\(rendition.size.height)"))
                #expect(header.contains("jpegload"))
            }
        }
    }

    @Test("A photo large enough to be halved by its decoder keeps its proportions and colours")
    func shrinkOnLoad() async throws {
        try await MediaFixture.with { fixture in
            let photo = try await fixture.photo(zoom: 43)
            var settings = MediaSettings()
            settings.compressedSide = 500
            let small = ImageProcessor(settings: settings, logger: .silent)
            let output = try await small.process(source: photo, workspace: fixture.work)
            #expect(output.renditions.map(\.size) == [PixelSize(500, 333), PixelSize(320, 213)])
            let colours = try await fixture.quarterColours(of: output.renditions[0].file)
            #expect(zip(colours, Quarters.shown).allSatisfy { $0.isNear($1) })
        }
    }

    @Test("A small photo is never enlarged")
    func neverEnlarged() async throws {
        try await MediaFixture.with { fixture in
            let output = try await processor.process(source: try await fixture.photo(), workspace: fixture.work)
            #expect(output.renditions.map(\.size) == [PixelSize(96, 64), PixelSize(96, 64)])
        }
    }

    @Test("A picture a thousand times as wide as high keeps a pixel of height")
    func thin() async throws {
        try await MediaFixture.with { fixture in
            try await fixture.run("vips", "black", fixture.path("thin.png"), "6000", "2", "--bands", "3")
            let output = try await processor.process(source: fixture.path("thin.png"), workspace: fixture.work)
            #expect(output.renditions.map(\.size) == [PixelSize(1920, 1), PixelSize(320, 1)])
        }
    }

    @Test("Nothing of the metadata is left, the place above all")
    func metadata() async throws {
        try await MediaFixture.with { fixture in
            let photo = try await fixture.photo()
            let before = try await fixture.run("vipsheader", "-a", photo)
            #expect(before.contains("exif-ifd3-GPSLatitudeRef"))
            let output = try await processor.process(source: photo, workspace: fixture.work)
            for rendition in output.renditions {
                let bytes = try fixture.read(rendition.file)
                #expect(bytes.range(of: Data(Exif.title.utf8)) == nil)
                #expect(bytes.range(of: Data("Exif".utf8)) == nil)
                let header = try await fixture.run("vipsheader", "-a", rendition.file)
                #expect(!header.contains("exif"))
                #expect(!header.contains("icc-profile"))
            }
        }
    }

    @Test("What hangs behind a photo, such as a ZIP file, is gone")
    func polyglot() async throws {
        try await MediaFixture.with { fixture in
            let tail = Data("PK\u{3}\u{4} a file that is two".utf8)
            let both = try fixture.write(try fixture.read(try await fixture.photo()) + tail, "both.jpg")
            let output = try await processor.process(source: both, workspace: fixture.work)
            for rendition in output.renditions {
                #expect(try fixture.read(rendition.file).range(of: tail) == nil)
            }
        }
    }

    @Test("A photo in Display P3 keeps its look in sRGB")
    func profile() async throws {
        try await MediaFixture.with { fixture in
            let plain = try await fixture.quarters()
            try await fixture.convert(plain, to: "p3", as: "p3.jpg[Q=95]")
            let stored = try await fixture.quarterColours(of: fixture.path("p3.jpg"))
            #expect(!stored[0].isNear(.red), "the input is no test of profiles: \(stored)")
            let output = try await processor.process(source: fixture.path("p3.jpg"), workspace: fixture.work)
            let colours = try await fixture.quarterColours(of: output.renditions[0].file)
            #expect(zip(colours, Quarters.shown).allSatisfy { $0.isNear($1) }, "\(colours)")
        }
    }

    @Test("A CMYK photo, with its profile or without, comes out in sRGB", arguments: [true, false])
    func cmyk(hasProfile: Bool) async throws {
        try await MediaFixture.with { fixture in
            let plain = try await fixture.quarters()
            try await fixture.convert(plain, to: "cmyk", as: hasProfile ? "cmyk.jpg[Q=95]" : "cmyk.jpg[Q=95,strip]")
            let output = try await processor.process(source: fixture.path("cmyk.jpg"), workspace: fixture.work)
            let header = try await fixture.run("vipsheader", output.renditions[0].file)
            #expect(header.contains("3 bands, srgb"))
            let colours = try await fixture.quarterColours(of: output.renditions[0].file)
            // Print cannot show every colour of a screen.
            #expect(zip(colours, Quarters.shown).allSatisfy { $0.isNear($1, within: 70) }, "\(colours)")
        }
    }

    @Test("Transparency is laid on white, in 8 and in 16 bits", arguments: ["8", "16"])
    func alpha(bits: String) async throws {
        try await MediaFixture.with { fixture in
            let plain = try await fixture.quarters()
            var source = plain
            if bits == "16" {
                source = fixture.path("wide.png")
                try await fixture.run("vips", "colourspace", plain, source, "rgb16")
            }
            try await fixture.run("vips", "bandjoin_const", source, fixture.path("clear.png"), "0")
            let output = try await processor.process(source: fixture.path("clear.png"), workspace: fixture.work)
            let colours = try await fixture.quarterColours(of: output.renditions[0].file)
            #expect(colours.allSatisfy { $0.isNear(.white, within: 2) }, "\(colours)")
        }
    }

    @Test("An opaque picture of 16 bits keeps its colours")
    func sixteenBits() async throws {
        try await MediaFixture.with { fixture in
            let plain = try await fixture.quarters()
            try await fixture.run("vips", "colourspace", plain, fixture.path("wide.png"), "rgb16")
            let output = try await processor.process(source: fixture.path("wide.png"), workspace: fixture.work)
            let colours = try await fixture.quarterColours(of: output.renditions[0].file)
            #expect(zip(colours, Quarters.shown).allSatisfy { $0.isNear($1) }, "\(colours)")
        }
    }

    @Test(
        "Every promised format is read",
        arguments: ["picture.png", "picture.webp", "picture.gif", "picture.tif", "gray.jpg"]
    )
    func formats(_ name: String) async throws {
        try await MediaFixture.with { fixture in
            let plain = try await fixture.quarters()
            if name == "gray.jpg" {
                try await fixture.run("vips", "colourspace", plain, fixture.path(name), "b-w")
            } else {
                try await fixture.run("vips", "copy", plain, fixture.path(name))
            }
            let output = try await processor.process(source: fixture.path(name), workspace: fixture.work)
            #expect(output.size == PixelSize(96, 64))
            guard name != "gray.jpg" else { return }
            let colours = try await fixture.quarterColours(of: output.renditions[0].file)
            #expect(zip(colours, Quarters.shown).allSatisfy { $0.isNear($1, within: 20) }, "\(colours)")
        }
    }

    @Test(
        "Photos of phones in HEIC and AVIF are read",
        .enabled(if: MediaFixture.has("heif-enc")),
        arguments: ["heic", "avif"]
    )
    func heif(_ format: String) async throws {
        try await MediaFixture.with { fixture in
            let plain = fixture.path("plain.png")
            try await fixture.run("vips", "copy", try await fixture.quarters(), plain)
            let codec = format == "avif" ? ["-A"] : []
            try await fixture.run("heif-enc", codec + ["-q", "90", "-o", fixture.path("photo.\(format)"), plain])
            let output = try await processor.process(source: fixture.path("photo.\(format)"), workspace: fixture.work)
            #expect(output.size == PixelSize(96, 64))
            let colours = try await fixture.quarterColours(of: output.renditions[0].file)
            #expect(zip(colours, Quarters.shown).allSatisfy { $0.isNear($1, within: 25) }, "\(colours)")
        }
    }

    @Test("An animation is shown by its first frame")
    func animation() async throws {
        try await MediaFixture.with { fixture in
            let gif = try fixture.write(Hostile.gif(frames: 20), "moving.gif")
            let output = try await processor.process(source: gif, workspace: fixture.work)
            #expect(output.size == PixelSize(1, 1))
        }
    }

    @Test("Many photos at once on two slots give each its own renditions")
    func sideBySide() async throws {
        var settings = MediaSettings()
        settings.imageSlots = 2
        let processor = ImageProcessor(settings: settings, logger: .silent)
        try await MediaFixture.with { fixture in
            let photo = try await fixture.photo(zoom: 10)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<12 {
                    group.addTask {
                        let work = fixture.path("work-\(number)")
                        try FileManager.default.createDirectory(atPath: work, withIntermediateDirectories: true)
                        let output = try await processor.process(source: photo, workspace: work)
                        #expect(output.renditions.allSatisfy { $0.file.hasPrefix(work) })
                        #expect(output.renditions.map(\.size.width) == [960, 320])
                    }
                }
                try await group.waitForAll()
            }
        }
    }
}
