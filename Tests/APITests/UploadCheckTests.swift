import Foundation
import Models
import Testing

@testable import API

@Suite("Asking which files are here")
struct UploadCheckTests {
    private func check(_ digests: [String], bytes: Int64 = 1) throws -> [String] {
        let files = digests.map { "{\"sha256\":\"\($0)\",\"bytes\":\(bytes),\"filename\":\"a.jpg\"}" }
        let json = "{\"files\":[\(files.joined(separator: ","))]}"
        return try JSONDecoder().decode(UploadCheck.self, from: Data(json.utf8)).digests().map(\.description)
    }

    @Test("Up to 200 digests in either case are taken, in order")
    func taken() throws {
        let digests = (0..<200).map { String(repeating: "AB", count: 31) + String(0x10 + $0 % 0x50, radix: 16) }
        #expect(try check(digests) == digests.map { $0.lowercased() })
    }

    @Test("None, too many and what is no SHA-256 are refused")
    func refused() {
        let good = String(repeating: "a", count: 64)
        for digests in [[], Array(repeating: good, count: 201), [good, "a"], [good + "0"], ["g" + good.dropFirst()]] {
            let error = #expect(throws: APIError.self) { try check(digests) }
            #expect(error?.code == "bad_value")
        }
    }

    @Test("A size below zero is refused, and an empty file is asked about like any other")
    func sizes() throws {
        let digest = String(repeating: "a", count: 64)
        #expect(try check([digest], bytes: 0) == [digest])
        for bytes in [-1, Int64.min] {
            let error = #expect(throws: APIError.self) { try check([digest], bytes: bytes) }
            #expect(error?.code == "bad_value")
        }
    }
}
