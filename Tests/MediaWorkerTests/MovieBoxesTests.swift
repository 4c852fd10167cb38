import Foundation
import Testing

@testable import MediaWorker

@Suite("The boxes of a movie")
struct MovieBoxesTests {
    /// A box with its header.
    private static func box(_ type: String, _ content: Data = Data()) -> Data {
        number(UInt32(content.count + 8)) + Data(type.utf8) + content
    }

    private static func number(_ number: UInt32) -> Data {
        Data((0..<4).map { UInt8(truncatingIfNeeded: number >> (24 - 8 * $0)) })
    }

    /// A movie of one picture track at 1000 units a second, with its media behind the index.
    private static func movie(
        descriptions: UInt32 = 1,
        times: [(count: UInt32, delta: UInt32)] = [(30, 33)],
        edits: [UInt32] = [],
        fragmented: Bool = false
    ) -> Data {
        let header = box("mdhd", Data(count: 12) + number(1000) + Data(count: 8))
        let handler = box("hdlr", Data(count: 8) + Data("vide".utf8) + Data(count: 12))
        let table = times.reduce(Data(count: 4) + number(UInt32(times.count))) {
            $0 + number($1.count) + number($1.delta)
        }
        let samples = box("stsd", Data(count: 4) + number(descriptions)) + box("stts", table)
        let media = box("mdia", header + handler + box("minf", box("stbl", samples)))
        let list = edits.reduce(Data(count: 4) + number(UInt32(edits.count))) {
            $0 + number(1000) + number($1) + number(0x10000)
        }
        let track = box("trak", (edits.isEmpty ? Data() : box("edts", box("elst", list))) + media)
        let index = box("moov", track + (fragmented ? box("mvex") : Data()))
        return box("ftyp", Data("isom".utf8)) + index + box("mdat", Data(count: 1000))
    }

    private func boxes(of bytes: Data) async throws -> MovieBoxes? {
        var boxes: MovieBoxes?
        try await MediaFixture.with { fixture in
            boxes = try MovieBoxes(path: try fixture.write(bytes, "movie.mp4"))
        }
        return boxes
    }

    @Test("A movie is whole if each of its boxes ends within the file")
    func whole() async throws {
        let movie = Self.movie()
        #expect(try await boxes(of: movie)?.isWhole == true)
        #expect(try await boxes(of: movie.dropLast(1))?.isWhole == false)
        #expect(try await boxes(of: movie + Data("cut".utf8) + Data(count: 9))?.isWhole == false)
        #expect(try await boxes(of: Self.movie(fragmented: true))?.isWhole == false)
        #expect(try await boxes(of: Self.box("ftyp") + Self.box("mdat")) == nil, "it has no index")
    }

    @Test("A track that changes its coding, and one of several stretches, are told from others")
    func special() async throws {
        #expect(try await boxes(of: Self.movie())?.changesCoding == false)
        #expect(try await boxes(of: Self.movie(descriptions: 2))?.changesCoding == true)
        #expect(try await boxes(of: Self.movie(edits: [.max, 0]))?.isSpliced == false, "it only begins later")
        #expect(try await boxes(of: Self.movie(edits: [0, 5000]))?.isSpliced == true)
    }

    @Test("The last frame lasts as long as the last entry of the table says")
    func lastFrame() async throws {
        #expect(try await boxes(of: Self.movie(times: [(30, 33), (1, 3000)]))?.lastFrameSeconds == 3)
    }

    @Test("Sizes and counts beyond the file end the reading, and nothing else")
    func hostile() async throws {
        let movie = Self.movie()
        let index = try #require(movie.range(of: Data("moov".utf8))).lowerBound - 4
        for size in [0, 1, 7, 8, UInt32.max] {
            var bytes = movie
            bytes.replaceSubrange(index..<index + 4, with: Self.number(size))
            let boxes = try await boxes(of: bytes)
            #expect(boxes?.isWhole != true)
        }
        let large = Self.number(1) + Data("mdat".utf8) + Self.number(.max) + Self.number(.max)
        #expect(try await boxes(of: movie + large)?.isWhole == false)
        let times = try #require(movie.range(of: Data("stts".utf8))).upperBound + 4
        var bytes = movie
        bytes.replaceSubrange(times..<times + 4, with: Self.number(.max))
        #expect(try await boxes(of: bytes)?.lastFrameSeconds == nil)
        #expect(try await boxes(of: Data((0..<3000).flatMap { _ in Self.box("free") })) == nil)
    }
}
