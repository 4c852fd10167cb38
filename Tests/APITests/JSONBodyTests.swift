import NIOCore
import Testing

@testable import API

@Suite("JSON bodies")
struct JSONBodyTests {
    @Test(
        "Depth counts arrays and objects in one another, and not what stands in texts",
        arguments: [
            ("", 0), ("1", 0), ("{}", 1), (#"{"a":[1,[2]],"b":[]}"#, 3), ("[[],[],[]]", 2), (#"["[[[", "{\"["]"#, 1),
            (#"["\\",[[]]]"#, 3), ("[[[", 3), ("]]]][", 0),
        ]
    )
    func depth(text: String, depth: Int) {
        #expect(JSONBody.shape(of: ByteBuffer(string: text))?.depth == depth)
    }

    @Test("UTF-16 and UTF-32 are told by their NULs")
    func otherEncodings() {
        #expect(JSONBody.shape(of: ByteBuffer(bytes: [0x7B, 0, 0x7D, 0])) == nil)
        #expect(JSONBody.shape(of: ByteBuffer(bytes: [0, 0, 0, 0x7B])) == nil)
    }

    @Test(
        "The longest number is found, and what stands in texts is none",
        arguments: [
            ("", 0), ("{}", 0), ("[1,-22.5e+3]", 8), (#"{"a1234567890":1}"#, 1), (#"["\"12345", 12]"#, 2), ("true", 1),
            ("[\(String(repeating: "7", count: 70))]", 70),
        ]
    )
    func longestNumber(text: String, length: Int) {
        #expect(JSONBody.shape(of: ByteBuffer(string: text))?.longestNumber == length)
    }
}
