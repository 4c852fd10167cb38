import NIOCore
import Testing

@testable import API

/// Bodies of scripts, whose lines end with LF, all of them or some.
@Suite("Multipart bodies with bare line feeds")
struct MultipartLineTests {
    private static let contentType = "multipart/form-data; boundary=BB"
    private static let head = "Content-Disposition: form-data; name=\"f\"; filename=\"a.txt\""

    /// What is read, however the body is cut: whole, in two at each place, and byte by byte.
    private static func contents(_ text: String, sourceLocation: SourceLocation = #_sourceLocation) throws -> [String] {
        let body = Array(text.utf8)
        let whole = Result { try Multipart.parse(body, contentType: contentType) }
        let cuts = (0...body.count).map { [$0] } + [Array(1..<body.count)]
        for cuts in cuts {
            let other = Result { try Multipart.parse(body, cuts: cuts, contentType: contentType) }
            let isSame = (try? whole.get()) == (try? other.get())
            #expect(isSame, "cut at \(cuts)", sourceLocation: sourceLocation)
        }
        return try whole.get().map { Multipart.text($0.bytes) }
    }

    @Test(
        "A body whose lines all end with LF is read, and what ends a file stays with it",
        arguments: [
            "eleven\n", "", "\n", "\r", "\r\n", "a\r\nb\nc\r", "\n\n", "\r\r", "--", "\n--", "\n--B", "\n--BBc",
            "\r\n--BBc",
            "\n--BB-", "\n--BB--c", "\n--BB c", "BB--BB",
        ]
    )
    func bare(content: String) throws {
        let part = "--BB\n\(Self.head)\n\n\(content)\n"
        for end in ["--BB--", "--BB--\n", "--BB-- \n\n"] {
            #expect(try Self.contents(part + end) == [content])
            #expect(try Self.contents(part + part + end) == [content, content])
        }
    }

    @Test(
        "Lines may end in both ways",
        arguments: [
            // Headers.
            "--BB\r\n\(head)\n\n1\r\n--BB--\r\n", "--BB\r\n\(head)\n\r\n1\r\n--BB--",
            "--BB\r\n\(head)\r\n\n1\r\n--BB--",
            // Boundaries.
            "--BB\n\(head)\r\n\r\n1\n--BB--\n", "--BB\n\(head)\r\n\r\n1\r\n--BB--\n",
            "--BB\r\n\(head)\r\n\r\n1\n--BB--\r\n",
            "--BB\r\n\(head)\r\n\r\n1\n--BB--", "--BB\r\n\(head)\r\n\r\n1\n--BB--\n\n", "--BB\r\n\(head)\n\n1\n--BB--",
            "--BB\n\(head)\n\n1\r\n--BB--\r\n", "--BB \n\(head)\n\n1\n--BB--",
            // Before the first.
            "\n--BB\n\(head)\n\n1\n--BB--\n", "\r\n--BB\n\(head)\n\n1\n--BB--\n",
            "preamble\n--BB\r\n\(head)\r\n\r\n1\r\n--BB--",
        ]
    )
    func mixed(body: String) throws {
        #expect(try Self.contents(body) == ["1"])
    }

    @Test("Where a script writes heads with CR LF and only an LF behind each file, every file is found")
    func echoed() throws {
        let part = "--BB\r\n\(Self.head)\r\n\r\n1\n"
        #expect(try Self.contents("\(part)\(part)--BB--\r\n") == ["1", "1"])
    }

    @Test(
        "Where lines end with CR LF, a line of a file that looks like the boundary is the file's",
        arguments: [
            "a\n--BB\nb", "a\n--BB--\nb", "a\n--BB\r\nb", "a\n--BB--\r\nb\n--BB--\r\nc", "\n--BB", "\n--BB--",
            "a\n--BB\nContent-Type: a\n",
        ]
    )
    func standard(content: String) throws {
        let part = "--BB\r\n\(Self.head)\r\n\r\n\(content)\r\n"
        #expect(try Self.contents("\(part)--BB--\r\n") == [content])
        #expect(try Self.contents("\(part)\(part)--BB--") == [content, content])
    }

    @Test("A body of LF that ends before its final boundary is refused, wherever it ends")
    func cut() {
        let body = Array("--BB\n\(Self.head)\n\n1\n--BB--".utf8)
        for length in 0..<body.count {
            let code = Multipart.code {
                _ = try Multipart.parse(Array(body.prefix(length)), contentType: Self.contentType)
            }
            #expect(code == "bad_multipart", "ends after \(length) bytes")
        }
    }

    @Test("What cannot be decided yet is held back, and never more than a line")
    func bounded() throws {
        var reader = try MultipartReader(contentType: Self.contentType)
        reader.feed(ByteBuffer(string: "--BB\n\(Self.head)\n\n"))
        _ = try reader.next()
        for held in [
            "\n--BB" + String(repeating: " ", count: 1000), "\r\n--BB--" + String(repeating: "\t", count: 1000),
        ] {
            var passed = 0
            for byte in held.utf8 {
                reader.feed(ByteBuffer(bytes: [byte]))
                while case .bytes(let bytes)? = try reader.next() { passed += bytes.readableBytes }
            }
            #expect(passed > 700, "\(passed)")
        }
    }
}
