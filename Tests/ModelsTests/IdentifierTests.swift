import Foundation
import Testing

@testable import Models

@Suite struct IdentifierTests {
    @Test("A new id is a UUIDv7 of this moment")
    func version() throws {
        let before = UInt64(Date().timeIntervalSince1970 * 1000)
        let id = ItemID.new()
        let after = UInt64(Date().timeIntervalSince1970 * 1000)
        let digits = id.description.filter { $0 != "-" }
        let milliseconds = try #require(UInt64(digits.prefix(12), radix: 16))
        #expect((before...after).contains(milliseconds))
        #expect(digits.dropFirst(12).first == "7")
        #expect("89ab".contains(try #require(digits.dropFirst(16).first)))
    }

    @Test("Ids of one process are in the order they were made in")
    func order() {
        let ids = (0..<20_000).map { _ in ItemID.new().description }
        #expect(ids == ids.sorted())
        #expect(Set(ids).count == ids.count)
    }

    @Test("The example of RFC 9562, A.6 comes out as it stands there")
    func example() {
        let id = UUID.version7(milliseconds: 1_645_557_742_000, 0xCC3, 0x18C4_DC0C_0C07_398F)
        #expect(id == UUID(uuidString: "017F22E2-79B0-7CC3-98C4-DC0C0C07398F"))
    }

    @Test("Ids are read in either case, and written in lower case")
    func text() throws {
        let id = try #require(ItemID("017F22E2-79B0-7CC3-98C4-DC0C0C07398F"))
        #expect(id.description == "017f22e2-79b0-7cc3-98c4-dc0c0c07398f")
        #expect(ItemID("017f22e2") == nil)
        #expect(ItemID("../etc/passwd") == nil)
        let json = String(decoding: try JSONEncoder().encode([id]), as: UTF8.self)
        #expect(json == "[\"017f22e2-79b0-7cc3-98c4-dc0c0c07398f\"]")
    }
}

@Suite struct SHA256DigestTests {
    @Test("A digest is 64 hexadecimal digits, or none")
    func digits() {
        #expect(
            SHA256Digest(bytes: [UInt8](repeating: 0xAB, count: 32))?.description == String(repeating: "ab", count: 32)
        )
        #expect(SHA256Digest(bytes: [UInt8](repeating: 0, count: 31)) == nil)
        #expect(SHA256Digest(String(repeating: "AB", count: 32))?.description == String(repeating: "ab", count: 32))
        #expect(SHA256Digest(String(repeating: "g", count: 64)) == nil)
        #expect(SHA256Digest("../../../etc/passwd") == nil)
    }
}

@Suite struct JSONValueTests {
    @Test("Attributes come back as they were given")
    func roundTrip() throws {
        let text = #"{"a":[1,2.5,"ñ",null,true,{"b":[]}],"c":9007199254740993}"#
        let value = try JSONDecoder().decode(JSONValue.self, from: Data(text.utf8))
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        #expect(String(decoding: try encoder.encode(value), as: UTF8.self) == text)
    }
}
