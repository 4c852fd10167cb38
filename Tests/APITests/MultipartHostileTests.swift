import NIOCore
import Testing

@testable import API

@Suite("Hostile multipart bodies")
struct MultipartHostileTests {
    @Test(
        "A request without a usable boundary is refused",
        arguments: [
            ("multipart/form-data", "bad_multipart"),
            ("multipart/form-data; boundary=", "bad_multipart"),
            ("multipart/form-data; boundary=\"\"", "bad_multipart"),
            ("multipart/form-data; boundary=\"ends with space \"", "bad_multipart"),
            ("multipart/form-data; boundary=a\u{7F}b", "bad_multipart"),
            ("multipart/form-data; boundary=\"a\\\"b\"", "bad_multipart"),
            ("multipart/form-data; boundary=ñ", "bad_multipart"),
            ("multipart/form-data; boundary=a; boundary=b", "bad_multipart"),
            ("multipart/form-data; boundary=\"a", "bad_multipart"),
            ("multipart/form-data; boundary=" + String(repeating: "x", count: 71), "bad_multipart"),
            ("multipart/mixed; boundary=a", "not_multipart"),
            ("application/json", "not_multipart"),
            ("", "not_multipart"),
        ]
    )
    func boundaries(contentType: String, code: String) {
        #expect(Multipart.code { _ = try MultipartReader(contentType: contentType) } == code)
    }

    @Test(
        "A boundary of 70 characters of the whole set, and of those that clients use beside it, is fine, quoted or not, whatever the case around it"
    )
    func longBoundary() throws {
        let boundary = "'()+_,-./:=? *&#@~" + String(repeating: "Z", count: 52)
        var reader = try MultipartReader(contentType: "Multipart/Form-Data; charset=utf-8; Boundary=\"\(boundary)\"")
        reader.feed(ByteBuffer(string: "--\(boundary)--"))
        #expect(try reader.next() == .finished)
        reader.end()
        #expect(try reader.next() == nil)
    }

    @Test("A body that ends before its final boundary is refused, wherever it ends")
    func noFinalBoundary() {
        let body = Multipart.body([("name=a", nil, [1, 2, 3]), ("name=b", nil, [4])])
        // The line break after the final boundary is not needed.
        for length in 0..<(body.count - 2) {
            #expect(
                Multipart.code { _ = try Multipart.parse(Array(body.prefix(length))) } == "bad_multipart",
                "ends after \(length) bytes"
            )
        }
    }

    @Test("An endless preamble or epilogue is cut off after a few kilobytes")
    func endlessSurroundings() throws {
        for head in ["", Multipart.text(Multipart.body([("name=a", nil, [])]))] {
            var reader = try Multipart.reader()
            reader.feed(ByteBuffer(string: head))
            while try reader.next() != nil {}
            var fed = 0
            let code = Multipart.code {
                while fed < 100 << 20 {
                    reader.feed(ByteBuffer(repeating: UInt8(ascii: "x"), count: 1000))
                    fed += 1000
                    while try reader.next() != nil {}
                }
            }
            #expect(code == "bad_multipart")
            #expect(fed < 10_000)
        }
    }

    @Test("Ten thousand header lines, one endless line and endless padding are cut off")
    func endlessHeaders() {
        let start = "--\(Multipart.boundary)\r\n"
        let lines = start + String(repeating: "X-A: b\r\n", count: 10_000)
        let line = start + "X-A: " + String(repeating: "b", count: 100_000)
        let padding = "--\(Multipart.boundary)" + String(repeating: " ", count: 100_000)
        for step in [1, 100, 1_000_000] {
            let parse = { (body: String) throws in
                _ = try Multipart.parse(
                    Array(body.utf8),
                    cuts: Array(stride(from: step, to: body.utf8.count, by: step))
                )
            }
            #expect(Multipart.code { try parse(lines) } == "headers_too_large")
            #expect(Multipart.code { try parse(line) } == "headers_too_large")
            #expect(Multipart.code { try parse(padding) } == "bad_multipart")
        }
    }

    @Test("Headers of exactly the limit pass, and one byte more does not")
    func headerLimit() throws {
        let disposition = "Content-Disposition: form-data; name=a\r\nX: "
        for (excess, passes) in [(0, true), (1, false)] {
            let filler = MultipartReader.maximumHeaderBytes - disposition.utf8.count - 4 + excess
            let block = disposition + String(repeating: "x", count: filler) + "\r\n\r\n"
            let body = "--\(Multipart.boundary)\r\n\(block)1\r\n--\(Multipart.boundary)--"
            let code = Multipart.code { _ = try Multipart.parse(Array(body.utf8)) }
            #expect(code == (passes ? nil : "headers_too_large"))
        }
    }

    @Test("A part that is itself multipart is refused")
    func nested() {
        let body = Multipart.body([("name=a", "Multipart/Mixed; boundary=inner", [])])
        #expect(Multipart.code { _ = try Multipart.parse(body) } == "nested_multipart")
    }

    @Test(
        "Lines and headers that are not as the standards say are refused",
        arguments: [
            "--B\r\n\n1\r\n--B--",
            "--B\n\n1\n--B--",
            "--B\r\n Content-Disposition: form-data; name=a\r\n\r\n1\r\n--B--",
            "--B\nContent-Disposition: form-data; name=a\n\n1\n--B-",
            "--B\r\n\r\n1\r\n--B--",
            "--B\r\nContent-Disposition: form-data\r\n\r\n1\r\n--B--",
            "--B\r\nContent-Disposition: attachment; name=a\r\n\r\n1\r\n--B--",
            "--B\r\nContent-Disposition form-data; name=a\r\n\r\n1\r\n--B--",
            "--B\r\nContent-Disposition : form-data; name=a\r\n\r\n1\r\n--B--",
            "--B\r\nContent-Disposition: form-data; name=a; name=b\r\n\r\n1\r\n--B--",
            "--B\r\nContent-Disposition: form-data; name=\"a\r\n\r\n1\r\n--B--",
            "--B\r\nContent-Disposition: form-data; name=\"a\"b\r\n\r\n1\r\n--B--",
            "--B\r\nContent-Disposition: form-data; name=a\r\nContent-Disposition: form-data; name=b\r\n\r\n1\r\n--B--",
            "--B\r\nContent-Disposition: form-data; name=a\u{0}b\r\n\r\n1\r\n--B--",
            "--B\r\nContent-Disposition: form-data; name=a\r\nContent-Transfer-Encoding: base64\r\n\r\nAA==\r\n--B--",
            "--Bx\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--B--",
            "--B-\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--B--",
            "--B\rContent-Disposition: form-data; name=a\r\n\r\n1\r\n--B--",
        ]
    )
    func malformed(body: String) {
        let code = Multipart.code {
            _ = try Multipart.parse(Array(body.utf8), contentType: "multipart/form-data; boundary=B")
        }
        #expect(code == "bad_multipart")
    }

    @Test("Bytes that look like the boundary cost no more than a look each")
    func almostBoundaries() throws {
        let almost = Array("\r\n--\(Multipart.boundary.dropLast())".utf8)
        let contents = [
            Array(repeating: UInt8(ascii: "\r"), count: 300_000),
            Array((0..<10_000).map { _ in almost }.joined()),
            Array(repeating: UInt8(ascii: "-"), count: 300_000),
        ]
        let body = Multipart.body(contents.map { ("name=a", nil, $0) })
        #expect(try Multipart.parse(body).map(\.bytes) == contents)
        #expect(
            try Multipart.parse(body, cuts: Array(stride(from: 61, to: body.count, by: 61))).map(\.bytes) == contents
        )
    }
}
