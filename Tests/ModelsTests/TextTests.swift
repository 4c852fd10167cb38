import Foundation
import Models
import Testing

@Suite struct HexadecimalTests {
    @Test("Every byte comes back from its two digits, in either case")
    func roundTrip() {
        let bytes = [UInt8](0...255)
        #expect(Hexadecimal.encode([0, 0x0A, 0xFF]) == "000aff")
        #expect(Hexadecimal.encode([0x0A, 0xFF], uppercase: true) == "0AFF")
        #expect(Hexadecimal.decode(Hexadecimal.encode(bytes)) == bytes)
        #expect(Hexadecimal.decode(Hexadecimal.encode(bytes, uppercase: true)) == bytes)
        #expect(Hexadecimal.decode("") == [])
    }

    @Test("What is no pair of digits is nothing", arguments: ["0", "0g", "abc", "é", "+1", "0x", "１２"])
    func refused(text: String) {
        #expect(Hexadecimal.decode(text) == nil)
    }
}

@Suite struct JSONEscapingTests {
    @Test("What is written is read again by a JSON parser, and holds no control character")
    func roundTrip() throws {
        let text = String(String.UnicodeScalarView((0...0x2FF).compactMap(Unicode.Scalar.init))) + "\"\\ / ñ 👩‍🔧 \u{FFFF}"
        var bytes: [UInt8] = []
        JSONEscaping.append(quoting: text, to: &bytes)
        let written = String(decoding: bytes, as: UTF8.self)
        #expect(try JSONDecoder().decode(String.self, from: Data(bytes)) == text)
        #expect(!written.unicodeScalars.contains { $0.properties.generalCategory == .control })
    }

    @Test("No scalar takes more bytes than is said")
    func bound() {
        for scalar in ["\u{1B}", "\u{9F}", "\u{10FFFF}", "\""] as [Unicode.Scalar] {
            var bytes: [UInt8] = []
            JSONEscaping.append(scalar, to: &bytes)
            #expect(bytes.count <= JSONEscaping.maximumScalarBytes)
        }
    }
}
