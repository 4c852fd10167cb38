import Models
import Testing

@testable import Storage

@Suite("Running sums")
struct RunningSumsTests {
    @Test("Sums that are put aside at any byte and taken up again are those of the whole file")
    func resumedSums() throws {
        let bytes = [UInt8].noise(1000)
        let whole = RunningSums.of(bytes)
        for cut in [0, 1, 55, 56, 63, 64, 65, 127, 128, 500, 999, 1000] {
            let first = RunningSums.of(Array(bytes[..<cut]))
            var resumed = try #require(RunningSums(encoded: first.encoded, bytes: Int64(cut)))
            bytes[cut...].withUnsafeBytes { resumed.update($0) }
            #expect(resumed.digest == whole.digest, "cut at \(cut)")
            #expect(resumed.encoded == whole.encoded, "cut at \(cut)")
            #expect(resumed.crc32 == whole.crc32, "cut at \(cut)")
        }
        let abc = RunningSums.of(Array("abc".utf8)).digest?.description
        #expect(abc == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    }

    @Test("The form in which a row keeps them does not change")
    func encoded() throws {
        let none = "00000000" + "6a09e667bb67ae853c6ef372a54ff53a510e527f9b05688c1f83d9ab5be0cd19"
        #expect(RunningSums().encoded == none)
        #expect(RunningSums.of(Array("abc".utf8)).encoded == "352441c2" + none.dropFirst(8) + "616263")
    }

    @Test("Where no SHA-256 is wanted there is the CRC-32 alone, and nothing to go on from")
    func unhashed() {
        var sums = RunningSums(hashes: false)
        Array("abc".utf8).withUnsafeBytes { sums.update($0) }
        #expect(sums.crc32 == 0x3524_41C2)
        #expect(sums.bytes == 3)
        #expect(sums.digest == nil)
        #expect(RunningSums(encoded: sums.encoded, bytes: 3) == nil)
    }

    @Test("A state that is none, or of another number of bytes, is not taken up")
    func damagedSums() {
        let sums = RunningSums.of(Array("abc".utf8))
        #expect(RunningSums(encoded: sums.encoded, bytes: 4) == nil)
        #expect(RunningSums(encoded: sums.encoded, bytes: -1) == nil)
        #expect(RunningSums(encoded: String(sums.encoded.dropLast()), bytes: 3) == nil)
        #expect(RunningSums(encoded: "", bytes: 0) == nil)
        #expect(RunningSums(encoded: "zz" + sums.encoded.dropFirst(2), bytes: 3) == nil)
    }
}

extension RunningSums {
    static func of(_ bytes: [UInt8]) -> RunningSums {
        var sums = RunningSums()
        bytes.withUnsafeBytes { sums.update($0) }
        return sums
    }
}
