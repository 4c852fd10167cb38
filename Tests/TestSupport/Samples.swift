public import Foundation

/// Real files, made by the tools people's devices have relatives of.
public struct Samples: Sendable {
    public let directory: URL

    public init(in directory: URL) {
        self.directory = directory
    }

    /// A photo as a phone held upright writes it: the pixels lie on their side, EXIF says how to turn them, and where
    /// it was taken. Shown rightly it is 900 × 1200 with its red corner at the top left.
    public func phonePhoto(_ name: String = "IMG_0412.jpg") async throws -> URL {
        let file = directory.appending(path: name)
        // Upright 900 × 1200 with a red corner, turned a quarter to the left as the sensor lies.
        let picture = ["-size", "900x1200", "plasma:grey-grey", "-fill", "red", "-draw", "rectangle 0,0 200,200"]
        try await run("convert", picture + ["-rotate", "-90", "-quality", "92", file.path])
        let bytes = try Data(contentsOf: file)
        // After SOI: an APP1 segment with orientation 6 (turn right to show) and a GPS position.
        try (bytes.prefix(2) + Self.exif + bytes.dropFirst(2)).write(to: file)
        return file
    }

    /// A picture without a photograph's past.
    public func png(_ name: String = "scan.png") async throws -> URL {
        let file = directory.appending(path: name)
        try await run("convert", "-size", "640x480", "gradient:navy-white", file.path)
        return file
    }

    /// What an iPhone writes.
    public func heic(_ name: String = "IMG_0413.HEIC") async throws -> URL {
        let source = try await png("heic-source.png")
        let file = directory.appending(path: name)
        try await run("heif-enc", "-q", "60", "-o", file.path, source.path)
        return file
    }

    /// A video as a phone held upright writes it: stored lying, with a rotation of 90° in its header.
    public func video(_ name: String = "IMG_0414.MOV", seconds: Int = 2, size: String = "1280x720") async throws -> URL
    {
        let plain = directory.appending(path: "plain-\(name)")
        let file = directory.appending(path: name)
        let quietly = ["-v", "error", "-nostdin", "-y"]
        let picture = ["-f", "lavfi", "-i", "testsrc2=size=\(size):rate=30:duration=\(seconds)"]
        let sound = ["-f", "lavfi", "-i", "sine=frequency=440:duration=\(seconds)"]
        let encoders = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac", "-shortest"]
        try await run("ffmpeg", quietly + picture + sound + encoders + [plain.path])
        let rotation = ["-c", "copy", "-metadata:s:v", "rotate=90"]
        try await run("ffmpeg", quietly + ["-i", plain.path] + rotation + [file.path])
        try FileManager.default.removeItem(at: plain)
        return file
    }

    /// A photo of about that many bytes: noise does not compress.
    public func photo(_ name: String, bytes: Int) async throws -> URL {
        let file = directory.appending(path: name)
        let side = Int((Double(bytes) / 0.72).squareRoot())
        let noise = ["-size", "\(side)x\(side)", "xc:gray", "+noise", "Random"]
        try await run("convert", noise + ["-quality", "90", file.path])
        return file
    }

    /// A file of zeroes that takes no room.
    public func zeroes(_ name: String, bytes: UInt64, beginning: Data = Data()) throws -> URL {
        let file = directory.appending(path: name)
        try beginning.write(to: file)
        let handle = try FileHandle(forWritingTo: file)
        try handle.truncate(atOffset: bytes)
        try handle.close()
        return file
    }

    /// An APP1 segment: big-endian TIFF with orientation 6 and a GPS directory (48° 51′ N).
    private static let exif: Data = {
        func short(_ value: Int) -> [UInt8] { [UInt8(value >> 8), UInt8(value & 255)] }
        func long(_ value: Int) -> [UInt8] { short(value >> 16) + short(value & 65_535) }
        func entry(_ tag: Int, _ type: Int, _ count: Int, _ value: [UInt8]) -> [UInt8] {
            short(tag) + short(type) + long(count) + value + [UInt8](repeating: 0, count: 4 - value.count)
        }
        var tiff: [UInt8] = Array("MM".utf8) + short(42) + long(8)
        tiff += short(2) + entry(0x0112, 3, 1, short(6)) + entry(0x8825, 4, 1, long(38)) + long(0)
        tiff += short(2) + entry(1, 2, 2, Array("N\0".utf8)) + entry(2, 5, 3, long(68)) + long(0)
        tiff += long(48) + long(1) + long(51) + long(1) + long(0) + long(1)
        let body: [UInt8] = Array("Exif".utf8) + [0, 0] + tiff
        return Data([0xFF, 0xE1] + short(body.count + 2) + body)
    }()
}
