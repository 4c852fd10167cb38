import NIOCore
import Testing

@testable import API

@Suite("Multipart bodies")
struct MultipartReaderTests {
    @Test("A browser's form gives its parts, names and bytes")
    func browserForm() throws {
        let parts = try Multipart.parse(
            Multipart.body([
                ("name=\"note\"", nil, Array("hola".utf8)),
                ("name=\"photos\"; filename=\"a b.jpg\"", "image/jpeg", [0xFF, 0xD8, 0xFF, 0x0D, 0x0A]),
            ])
        )
        #expect(parts.map(\.headers.name) == ["note", "photos"])
        #expect(parts.map(\.headers.filename) == [nil, Array("a b.jpg".utf8)])
        #expect(parts.map(\.headers.contentType) == [nil, "image/jpeg"])
        #expect(parts.map(\.bytes) == [Array("hola".utf8), [0xFF, 0xD8, 0xFF, 0x0D, 0x0A]])
    }

    @Test("A nasty body reads the same wherever it is cut, and byte by byte")
    func everySplit() throws {
        let body = Multipart.nasty
        let whole = try Multipart.parse(body)
        #expect(whole.map(\.bytes) == Multipart.nastyContents)
        for cut in 0...body.count {
            #expect(try Multipart.parse(body, cuts: [cut]) == whole, "cut at \(cut)")
        }
        for size in 1...7 {
            #expect(try Multipart.parse(body, cuts: Array(stride(from: size, to: body.count, by: size))) == whole)
        }
    }

    @Test("Bytes of a part are slices of the chunk they came in")
    func slices() throws {
        var reader = try Multipart.reader()
        var chunk = ByteBuffer(string: "--\(Multipart.boundary)\r\ncontent-disposition: form-data; name=x\r\n\r\n")
        chunk.writeRepeatingByte(7, count: 1 << 20)
        reader.feed(chunk)
        _ = try reader.next()
        guard case .bytes(let bytes) = try reader.next() else {
            Issue.record("no bytes")
            return
        }
        let chunkStart = chunk.withUnsafeReadableBytes { UInt(bitPattern: $0.baseAddress) }
        let bytesStart = bytes.withUnsafeReadableBytes { UInt(bitPattern: $0.baseAddress) }
        #expect(bytesStart == chunkStart + UInt(chunk.readableBytes - 1 << 20))
    }

    @Test("A part without a body may end with its headers")
    func emptyParts() throws {
        let head = "--\(Multipart.boundary)\r\nContent-Disposition: form-data; name=\"a\"; filename=\"\"\r\n\r\n"
        for body in [head + "\r\n--\(Multipart.boundary)--", head + "--\(Multipart.boundary)--\r\n"] {
            let parts = try Multipart.parse(Array(body.utf8))
            #expect(parts.map(\.bytes) == [[]])
            #expect(parts.first?.headers.filename == [])
        }
    }

    @Test("Padding after a boundary, a short preamble and an epilogue are skipped")
    func surroundings() throws {
        let body = """
            This is a message for old mail programs.\r
            --\(Multipart.boundary) \t \r
            Content-Disposition: form-data; name=a\r
            \r
            1\r
            --\(Multipart.boundary)-- \r
            anything
            """
        #expect(try Multipart.parse(Array(body.utf8)).map(\.bytes) == [Array("1".utf8)])
    }
}
