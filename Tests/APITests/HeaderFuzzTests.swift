import Foundation
import HTTPTypes
import Hummingbird
import Models
import NIOCore
import Testing

@testable import API

/// Headers that are damaged at random, the same in every run: each is read or refused, and none is our fault.
@Suite("Damaged headers")
struct HeaderFuzzTests {
    private static let rounds = 2000
    private static let seeds = [
        "bytes=0-4", "bytes=-5", "bytes=9223372036854775807-", "bytes=1-2,4-5", "1.0.0", "9223372036854775807", "0",
        "?1",
        "?0;a=b", "filename YS5qcGc=,item_id eA==", "final;/v1/uploads/a http://a/v1/uploads/b", "partial",
        "sha1 2jmj7l5rSw0yVb/vlWAYkK/YBwk=", "md5 AAAA", "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:",
        "sha-256=:AA:, a=1.5;b=\"c\", d=(1 2);e", "attachment; filename=\"a b.pdf\"; filename*=UTF-8''a%C3%B1o.pdf",
        "form-data; name=f; filename*0*=utf-8''a%; filename*1=\"b\"", "\"=?UTF-8?Q?a=C3=B1?= =?iso-8859-1?B?8Q==?=\"",
        "multipart/form-data; boundary=\"a b\"", "W/\"tag\", \"other\"", "Sun, 06 Nov 1994 08:49:37 GMT",
    ]

    /// A header with a few places changed, doubled, taken out, or mixed with another one.
    private static func header(using random: inout SeededRandom) -> String {
        var bytes = Array((seeds.randomElement(using: &random) ?? "").utf8)
        for _ in 0..<Int.random(in: 0...4, using: &random) {
            let index = Int.random(in: 0...bytes.count, using: &random)
            switch Int.random(in: 0..<5, using: &random) {
            case 0: bytes.insert(.random(in: 0...255, using: &random), at: index)
            case 1: bytes.insert(Array(" \"'%=?;,:*-()\\9".utf8).randomElement(using: &random) ?? 0, at: index)
            case 2: bytes.removeSubrange(index..<min(bytes.count, index + Int.random(in: 0...5, using: &random)))
            case 3: bytes.insert(contentsOf: bytes.prefix(index), at: index)
            default: bytes += Array((seeds.randomElement(using: &random) ?? "").utf8).dropFirst(index % 7)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The status an error is answered with; nil if there is none.
    private static func status(_ body: () throws -> Void) -> Int? {
        do {
            try body()
            return nil
        } catch {
            return APIError(mapping: error).status.code
        }
    }

    @Test("A range is the whole, unsatisfiable, or lies within the file")
    func ranges() {
        var random = SeededRandom(seed: 21)
        for _ in 0..<Self.rounds {
            let header = Self.header(using: &random)
            for size in [0, 1, 10, Int64.max] {
                guard case .part(let range) = ByteRange(header: header, size: size) else { continue }
                let isWithin = range.lowerBound >= 0 && range.upperBound <= size && !range.isEmpty
                #expect(isWithin, "\(header) of \(size)")
            }
        }
    }

    @Test("What begins or continues a resumable upload is read or refused")
    func resumable() {
        var random = SeededRandom(seed: 22)
        let names: [HTTPField.Name] = [
            .tusResumable, .uploadLength, .uploadDeferLength, .uploadMetadata, .uploadConcat, .uploadComplete,
            .uploadIncomplete, .uploadDraftInteropVersion, .contentDisposition, .contentLength, .contentType,
            .uploadChecksum, .contentDigest, .reprDigest,
        ]
        for _ in 0..<Self.rounds {
            var headers: HTTPFields = [.uploadComplete: "?1"]
            if Bool.random(using: &random) { headers = [.tusResumable: "1.0.0", .uploadLength: "5"] }
            for _ in 0..<3 {
                guard let name = names.randomElement(using: &random) else { continue }
                headers[name] = Self.header(using: &random)
            }
            let head = HTTPRequest(
                method: .post,
                scheme: nil,
                authority: "a",
                path: "/v1/uploads",
                headerFields: headers
            )
            let request = Request(head: head, body: RequestBody(buffer: ByteBuffer()))
            let status = Self.status {
                guard let spoken = try ResumableProtocol(headers) else { return }
                _ = try NewUpload(request, speaking: spoken)
                _ = try ExpectedDigest(ofPart: headers)
                _ = try Concatenation(headers[.uploadConcat] ?? "")
                _ = spoken.isEnd(headers, offset: 5, length: try spoken.length(headers, from: .max))
            }
            #expect(status ?? 400 < 500, "\(headers)")
        }
    }

    @Test("The parameters of a header, and the name of a file in them, are read or refused")
    func parameters() {
        var random = SeededRandom(seed: 23)
        for _ in 0..<Self.rounds {
            let header = Self.header(using: &random)
            let status = Self.status {
                let value = try HeaderValue(parsing: Array(header.utf8))
                let names = [value.filename, value.formFilename].compactMap(\.self)
                for name in names { _ = try Filename(cleaning: name) }
            }
            #expect(status ?? 400 < 500, "\(header)")
            let block = Array("Content-Disposition: \(header)\r\nContent-Type: \(header)\r\n".utf8)
            #expect(Self.status { _ = try MultipartHeaders(parsing: block) } ?? 400 < 500, "\(header)")
            #expect(Self.status { _ = try MultipartReader(contentType: header) } ?? 400 < 500, "\(header)")
        }
    }

    @Test("Conditions hold or do not, whatever they say")
    func conditions() {
        var random = SeededRandom(seed: 24)
        let names: [HTTPField.Name] = [.ifMatch, .ifNoneMatch, .ifRange, .ifModifiedSince, .ifUnmodifiedSince]
        for _ in 0..<Self.rounds {
            guard let name = names.randomElement(using: &random) else { continue }
            let headers: HTTPFields = [name: Self.header(using: &random)]
            let precondition = Precondition(
                headers,
                entityTag: EntityTag("x"),
                modified: Date(timeIntervalSince1970: 0)
            )
            if name == .ifRange { #expect(precondition == .passed(rangeApplies: false)) }
        }
    }
}
