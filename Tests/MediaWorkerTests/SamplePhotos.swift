import Foundation
import Testing

@testable import MediaWorker

/// One colour, 8 bits a channel.
struct Colour: Hashable {
    var red: Int
    var green: Int
    var blue: Int

    static let red = Colour(red: 220, green: 30, blue: 30)
    static let green = Colour(red: 30, green: 160, blue: 40)
    static let blue = Colour(red: 30, green: 40, blue: 200)
    static let yellow = Colour(red: 230, green: 210, blue: 30)
    static let white = Colour(red: 255, green: 255, blue: 255)

    /// True if the eye would hardly tell them apart; JPEG moves colours a little.
    func isNear(_ other: Colour, within tolerance: Int = 12) -> Bool {
        [red - other.red, green - other.green, blue - other.blue].allSatisfy { abs($0) <= tolerance }
    }
}

/// A test picture: four quarters of one colour each.
enum Quarters {
    /// Clockwise from the top left, as shown.
    static let shown: [Colour] = [.red, .green, .blue, .yellow]
    /// As shown.
    static let size = PixelSize(width: 96, height: 64)

    /// A PPM file of the pixels as a camera stores them that says it was held as `orientation` tells.
    static func stored(orientation: Int) -> Data {
        let stored = (5...8).contains(orientation) ? size.turned : size
        let right = stored.width - 1
        let bottom = stored.height - 1
        var pixels = [Colour](repeating: .white, count: stored.width * stored.height)
        for y in 0..<size.height {
            for x in 0..<size.width {
                // EXIF 2.32, tag 0x0112: where the first stored row and column are shown.
                let (column, row) =
                    switch orientation {
                    case 2: (right - x, y)
                    case 3: (right - x, bottom - y)
                    case 4: (x, bottom - y)
                    case 5: (y, x)
                    case 6: (y, bottom - x)
                    case 7: (right - y, bottom - x)
                    case 8: (right - y, x)
                    default: (x, y)
                    }
                pixels[row * stored.width + column] = colour(atX: x, y: y)
            }
        }
        let bytes = pixels.flatMap { [UInt8($0.red), UInt8($0.green), UInt8($0.blue)] }
        return Data("P6 \(stored.width) \(stored.height) 255\n".utf8) + bytes
    }

    private static func colour(atX x: Int, y: Int) -> Colour {
        switch (x < size.width / 2, y < size.height / 2) {
        case (true, true): shown[0]
        case (false, true): shown[1]
        case (false, false): shown[2]
        case (true, false): shown[3]
        }
    }
}

extension MediaFixture {
    /// The four quarters without loss, each pixel `zoom` pixels wide and high.
    func quarters(orientation: Int = 1, zoom: Int = 1) async throws -> String {
        let small = try write(Quarters.stored(orientation: orientation), "small.ppm")
        guard zoom > 1 else { return small }
        try await run("vips", "zoom", small, path("quarters.ppm"), "\(zoom)", "\(zoom)")
        return path("quarters.ppm")
    }

    /// A JPEG of four quarters with an EXIF block: orientation, a title and a place.
    func photo(orientation: Int = 1, zoom: Int = 1) async throws -> String {
        let picture = try await quarters(orientation: orientation, zoom: zoom)
        try await run("vips", "jpegsave", picture, path("plain.jpg"), "--Q", "95", "--strip")
        let plain = try read(path("plain.jpg"))
        return try write(plain.prefix(2) + Exif.segment(orientation: orientation) + plain.dropFirst(2), "photo.jpg")
    }

    /// A JPEG that comes in passes, and takes far more memory than a decoder has beside its picture.
    func memoryHungry() async throws -> String {
        try await run("vips", "black", path("large.v"), "9000", "6000", "--bands", "3")
        try await run("vips", "jpegsave", path("large.v"), path("large.jpg"), "--interlace", "--Q", "95")
        return path("large.jpg")
    }

    /// Writes a picture in the colours of a profile built into libvips, which is embedded.
    func convert(_ picture: String, to profile: String, as name: String) async throws {
        try await run("vips", "icc_transform", picture, path(name), profile, "--input-profile", "srgb")
    }

    /// The colours in the middles of the four quarters, clockwise from the top left.
    func quarterColours(of file: String) async throws -> [Colour] {
        try await run("vips", "copy", file, path("decoded.ppm"))
        let bytes = [UInt8](try read(path("decoded.ppm")))
        let lines = bytes.prefix(256).split(separator: 10).map { String(decoding: $0, as: UTF8.self) }
        let header = lines.filter { !$0.hasPrefix("#") }.prefix(2)
        let numbers = try #require(header.last).split(separator: " ").compactMap { Int($0) }
        let (width, height) = (numbers[0], numbers[1])
        let bands = header.first == "P6" ? 3 : 1
        let pixels = bytes.suffix(width * height * bands)
        return [(1, 1), (3, 1), (3, 3), (1, 3)].map { x, y in
            let start = pixels.startIndex + (height * y / 4 * width + width * x / 4) * bands
            return Colour(
                red: Int(pixels[start]),
                green: Int(pixels[start + (bands - 1) / 2]),
                blue: Int(pixels[start + bands - 1])
            )
        }
    }
}

extension PixelSize {
    init(_ width: Int, _ height: Int) {
        self.init(width: width, height: height)
    }
}

/// A small EXIF block.
enum Exif {
    static let title = "a secret title"

    /// An APP1 segment with ImageDescription, Orientation and a GPS directory (EXIF 2.32, 4.6).
    static func segment(orientation: Int) -> Data {
        var tiff = Data("II*\0".utf8) + little(8, 4)
        let titleBytes = Data(title.utf8) + [0]
        let directoryEnd = 8 + 2 + 3 * 12 + 4
        let gps = directoryEnd + titleBytes.count
        tiff += little(3, 2)
        tiff += little(0x010E, 2) + little(2, 2) + little(titleBytes.count, 4) + little(directoryEnd, 4)
        tiff += little(0x0112, 2) + little(3, 2) + little(1, 4) + little(orientation, 4)
        tiff += little(0x8825, 2) + little(4, 2) + little(1, 4) + little(gps, 4)
        tiff += little(0, 4) + titleBytes
        tiff += little(1, 2)
        tiff += little(1, 2) + little(2, 2) + little(2, 4) + Data("N\0\0\0".utf8) + little(0, 4)
        let body = Data("Exif\0\0".utf8) + tiff
        return Data([0xFF, 0xE1, UInt8((body.count + 2) >> 8), UInt8((body.count + 2) & 255)]) + body
    }

    private static func little(_ value: Int, _ count: Int) -> Data {
        Data((0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) })
    }
}
