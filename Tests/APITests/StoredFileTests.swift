import Blocking
import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import NIOCore
import Storage
import Testing

@testable import API

@Suite("Stored files as responses")
struct StoredFileResponderTests {
    private static let written = Date(timeIntervalSince1970: 784_111_777)
    private static let date = "Sun, 06 Nov 1994 08:49:37 GMT"

    /// A file of ten bytes, behind `GET /`.
    private func with(
        nginx: Bool = false,
        missing: Bool = false,
        _ body: @Sendable (any TestClientProtocol) async throws -> Void
    ) async throws {
        let path = FileManager.default.temporaryDirectory.appending(path: "file-\(UUID())").path
        let isMade = FileManager.default.createFile(atPath: path, contents: missing ? nil : Data("0123456789".utf8))
        try #require(isMade)
        if missing { try FileManager.default.removeItem(atPath: path) }
        defer { if !missing { unlink(path) } }
        let roots = [(name: "main", path: FileManager.default.temporaryDirectory.path)]
        let responder = StoredFileResponder(
            threads: BlockingThreads(name: "test", count: 1),
            accelRedirect: nginx ? AccelRedirect(roots: roots) : nil
        )
        let file = StoredFileResponder.File(
            locate: { path },
            contentType: "image/jpeg",
            entityTag: EntityTag("tag"),
            modified: Self.written,
            filename: "a.jpg",
            disposition: .attachment,
            policy: "sandbox"
        )
        try await APIFixture.with(
            { request, context in try await responder.respond(with: file, to: request, context) },
            body
        )
    }

    @Test("A file comes whole, with what a client needs to come back for more")
    func whole() async throws {
        try await with { client in
            let response = try await client.send(.get, "/")
            #expect(response.status == .ok)
            #expect(String(buffer: response.body) == "0123456789")
            #expect(response.headers[.contentLength] == "10")
            #expect(response.headers[.contentType] == "image/jpeg")
            #expect(response.headers[.eTag] == "\"tag\"")
            #expect(response.headers[.acceptRanges] == "bytes")
            #expect(response.headers[.lastModified] == Self.date)
            #expect(response.headers[.contentSecurityPolicy] == "sandbox")
            #expect(response.headers[.cacheControl] == "private, no-cache")
            #expect(response.headers[.contentDisposition] == "attachment; filename=\"a.jpg\"; filename*=UTF-8''a.jpg")
            let head = try await client.send(.head, "/", [.range: "bytes=0-4"])
            #expect(head.status == .ok)
            #expect(head.headers[.contentLength] == "10")
        }
    }

    @Test("A part of a file is what was asked for, if it is of these bytes")
    func parts() async throws {
        try await with { client in
            let part = try await client.send(.get, "/", [.range: "bytes=3-5"])
            #expect(part.status == .partialContent)
            #expect(String(buffer: part.body) == "345")
            #expect(part.headers[.contentRange] == "bytes 3-5/10")
            #expect(part.headers[.contentLength] == "3")
            let same = try await client.send(.get, "/", [.range: "bytes=8-", .ifRange: "\"tag\""])
            #expect(String(buffer: same.body) == "89")
            let other = try await client.send(.get, "/", [.range: "bytes=8-", .ifRange: "\"other\""])
            #expect(other.status == .ok)
            #expect(String(buffer: other.body) == "0123456789")
            let beyond = try await client.send(.get, "/", [.range: "bytes=10-"])
            #expect(beyond.status == .rangeNotSatisfiable)
            #expect(beyond.headers[.contentRange] == "bytes */10")
            #expect(try Problem(beyond).code == "range_not_satisfiable")
        }
    }

    @Test("Conditions are looked at before the bytes")
    func conditions() async throws {
        try await with { client in
            let known = try await client.send(.get, "/", [.ifNoneMatch: "\"tag\""])
            #expect(known.status == .notModified)
            #expect(known.headers[.contentType] == nil)
            #expect(known.headers[.eTag] == "\"tag\"")
            #expect(try await client.problem(.get, "/", [.ifMatch: "\"other\""]).code == "precondition_failed")
        }
    }

    @Test("A file that is not there is our fault, and is said so")
    func missing() async throws {
        try await with(missing: true) { client in
            let problem = try await client.problem(.get, "/")
            #expect(problem.status == 500)
            #expect(problem.code == "file_missing")
        }
    }

    @Test("nginx sends what it would answer alike, and nothing else")
    func nginx() async throws {
        try await with(nginx: true) { client in
            for (headers, isHandedOver) in [
                ([:], true), ([.range: "bytes=3-5"], true), ([.range: "bytes=a-b"], false),
                ([.accelFailed: "1"], false),
            ] as [(HTTPFields, Bool)] {
                let response = try await client.send(.get, "/", headers)
                #expect((response.headers[.accelRedirect]?.hasPrefix("/volumes/main/file-") == true) == isHandedOver)
                #expect((response.body.readableBytes == 0) == isHandedOver)
            }
            #expect(try await client.send(.head, "/").headers[.accelRedirect] == nil)
            #expect(try await client.problem(.get, "/", [.range: "bytes=10-"]).code == "range_not_satisfiable")
        }
    }

    @Test("A name is sent in plain letters and as it is")
    func names() {
        #expect(
            StoredFileResponder.contentDisposition(.attachment, filename: "Año \"1\".jpg")
                == "attachment; filename=\"A_o _1_.jpg\"; filename*=UTF-8''A%C3%B1o%20%221%22.jpg"
        )
    }
}

@Suite struct AccelRedirectTests {
    private let redirect = AccelRedirect(roots: [
        ("main", "/media"), ("second", "/media/second"), ("old", "/media-old"),
    ])

    @Test(
        "A file is named by its volume and its path there",
        arguments: [
            ("/media/originals/a", "/volumes/main/originals/a"), ("/media/second/b", "/volumes/second/b"),
            ("/media-old/c", "/volumes/old/c"),
            ("/media/año 1%?#.jpg", "/volumes/main/a%C3%B1o%201%25%3F%23.jpg"),
        ]
    )
    func address(path: String, address: String) {
        #expect(redirect.address(of: path, for: Self.request(), range: nil) == address)
    }

    @Test("A file that lies on no volume is not handed over", arguments: ["/srv/a", "/mediate/a", "/media"])
    func elsewhere(path: String) {
        #expect(redirect.address(of: path, for: Self.request(), range: nil) == nil)
    }

    @Test("A range is handed over", arguments: ["bytes=0-4", "bytes=5-", "bytes=-5", "Bytes=7-123456789012345678"])
    func range(header: String) {
        #expect(redirect.address(of: "/media/a", for: Self.request(), range: header) != nil)
    }

    @Test(
        "A range that nginx reads its own way is answered here",
        arguments: ["bytes=", "bytes=-", "bytes=a-b", "bytes=1-2,4-5", "items=0-4", "bytes=0-99999999999999999999"]
    )
    func oddRange(header: String) {
        #expect(redirect.address(of: "/media/a", for: Self.request(), range: header) == nil)
    }

    @Test(
        "What nginx has no answer to is answered here",
        arguments: [
            Self.request(method: .head), Self.request([.ifMatch: "\"a\""]),
            Self.request([.ifUnmodifiedSince: "Sun, 06 Nov 1994 08:49:37 GMT"]), Self.request([.accelFailed: "1"]),
        ]
    )
    func notHandedOver(request: Request) {
        #expect(redirect.address(of: "/media/a", for: request, range: nil) == nil)
    }

    private static func request(_ headers: HTTPFields = [:], method: HTTPRequest.Method = .get) -> Request {
        Request(
            head: HTTPRequest(method: method, scheme: nil, authority: nil, path: "/", headerFields: headers),
            body: RequestBody(buffer: ByteBuffer())
        )
    }
}
