import Config
import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Models
import Testing

@testable import API

@Suite("Where clients reach the API")
struct PublicAddressTests {
    private static let path = "/v1/uploads/1"

    private static func request(_ headers: HTTPFields = [:], host: String? = "in:8080", to path: String = "/v1/uploads")
        -> Request
    {
        let head = HTTPRequest(method: .post, scheme: nil, authority: host, path: path, headerFields: headers)
        return Request(head: head, body: RequestBody(buffer: .init()))
    }

    private static func url(_ address: PublicAddress, _ headers: HTTPFields = [:], host: String? = "in:8080") -> String
    {
        address.url(of: path, for: request(headers, host: host))
    }

    @Test("What the operator has set is used, whatever a request says")
    func configured() {
        let address = PublicAddress(PublicURL("https://tolva.example.com/files"), trustsProxy: true)
        for headers: HTTPFields in [
            [:], [.forwardedProtocol: "http"], [.forwardedHost: "evil.example"], [.forwardedPrefix: "/other"],
        ] {
            #expect(Self.url(address, headers) == "https://tolva.example.com/files/v1/uploads/1")
            #expect(address.prefix(for: Self.request(headers)) == "/files")
        }
    }

    @Test("A client that comes directly is told the host it has asked")
    func direct() {
        let address = PublicAddress(trustsProxy: false)
        #expect(Self.url(address) == "http://in:8080/v1/uploads/1")
        #expect(Self.url(address, host: "In:80") == "http://in/v1/uploads/1")
    }

    @Test("Of what a trusted proxy sends the first value counts, the client's side")
    func trusted() {
        let address = PublicAddress(trustsProxy: true)
        let cases: [(HTTPFields, String)] = [
            ([.forwardedProtocol: "https"], "https://in:8080"),
            ([.forwardedProtocol: "https, http"], "https://in:8080"),
            ([.forwardedProtocol: "HTTPS,http"], "https://in:8080"),
            ([.forwardedProtocol: "http"], "http://in:8080"),
            ([.forwardedProtocol: "https", .forwardedHost: "tolva.example.com, in"], "https://tolva.example.com"),
            ([.forwardedProtocol: "https", .forwardedHost: "tolva.example.com:443"], "https://tolva.example.com"),
            ([.forwardedProtocol: "https", .forwardedHost: "a b"], "https://in:8080"),
            ([.forwardedProtocol: "https", .forwardedPrefix: "/files/"], "https://in:8080/files"),
            ([.forwardedProtocol: "https", .forwardedPrefix: "/a, /b"], "https://in:8080/a/b"),
            ([.forwardedProtocol: "https", .forwardedPrefix: "/a/../b"], "https://in:8080"),
            ([.forwarded: "for=10.0.0.1;proto=https;host=tolva.example.com"], "https://tolva.example.com"),
            ([.forwarded: "For=\"[::1]:1\"; Proto=https, proto=http"], "https://in:8080"),
            ([.forwarded: "host=\"tolva.example.com:8443\";proto=https"], "https://tolva.example.com:8443"),
            ([.forwarded: "proto=https;host=\"a\\\"b\""], "https://in:8080"),
            ([.forwarded: "proto=http", .forwardedProtocol: "https"], "https://in:8080"),
        ]
        for (headers, start) in cases { #expect(Self.url(address, headers) == "\(start)/v1/uploads/1", "\(headers)") }
    }

    @Test("The port that is left out is the one of the scheme that the client used")
    func defaultPort() {
        let address = PublicAddress(trustsProxy: true)
        let secure: HTTPFields = [.forwardedProtocol: "https"]
        #expect(Self.url(address, secure, host: "in:443") == "https://in/v1/uploads/1")
        #expect(Self.url(address, secure, host: "in:80") == "https://in:80/v1/uploads/1")
        #expect(Self.url(address, [.forwardedProtocol: "http"], host: "in:443") == "http://in:443/v1/uploads/1")
    }

    @Test("Where nobody who is trusted says how the client came, the address is relative to the request")
    func unknown() throws {
        let trusting = PublicAddress(trustsProxy: true)
        for headers: HTTPFields in [[:], [.forwardedFor: "10.0.0.1"], [.forwardedProtocol: "wss"], [.forwarded: ";=,"]]
        {
            #expect(Self.url(trusting, headers) == "uploads/1", "\(headers)")
        }
        let wary = PublicAddress(trustsProxy: false)
        for headers: HTTPFields in [
            [.forwardedProtocol: "https"], [.forwarded: "proto=https"], [.forwardedFor: "10.0.0.1"],
            [.via: "1.1 cache"],
        ] {
            #expect(Self.url(wary, headers) == "uploads/1", "\(headers)")
            #expect(wary.prefix(for: Self.request([.forwardedPrefix: "/a"])).isEmpty)
        }
        #expect(Self.url(wary, host: nil) == "uploads/1")
        // As clients resolve it.
        for path in ["/v1/uploads", "/v1/uploads/"] {
            let text = trusting.url(of: Self.path, for: Self.request(to: path))
            let base = try #require(URL(string: "https://tolva.example.com/files\(path)"))
            let resolved = URL(string: text, relativeTo: base)?.absoluteString
            #expect(resolved == "https://tolva.example.com/files/v1/uploads/1")
        }
    }

    @Test("A request that comes by another address is noticed; one that may have is not")
    func contradictions() {
        let address = PublicAddress(PublicURL("https://tolva.example.com"), trustsProxy: true)
        func found(_ headers: HTTPFields, _ host: String?) -> [String] {
            address.contradictions(in: Self.request(headers, host: host)).map { "\($0.what) \($0.value)" }
        }
        #expect(found([.forwardedProtocol: "https"], "Tolva.example.com:443").isEmpty)
        #expect(found([:], "tolva.example.com").isEmpty)
        #expect(found([.forwardedHost: "tolva.example.com"], "in:8080").isEmpty)
        #expect(found([.forwardedProtocol: "http"], "tolva.example.com") == ["scheme http"])
        #expect(found([.forwardedProtocol: "http"], "in:8080") == ["scheme http", "host in:8080"])
        #expect(found([:], nil) == ["host "])
        let wary = PublicAddress(PublicURL("https://tolva.example.com"), trustsProxy: false)
        #expect(wary.contradictions(in: Self.request([.forwardedProtocol: "http"], host: "tolva.example.com")).isEmpty)
        #expect(PublicAddress(trustsProxy: true).contradictions(in: Self.request([:], host: "other")).isEmpty)
    }

    @Test("However many requests contradict it, the log says so once in five minutes")
    func silence() {
        let watch = PublicURLWatch()
        let start = ContinuousClock.now
        #expect(watch.isDue(at: start))
        #expect(!watch.isDue(at: start + .seconds(299)))
        #expect(watch.isDue(at: start + .seconds(300)))
        #expect(!watch.isDue(at: start + .seconds(301)))
    }
}

@Suite("Pages of other origins")
struct CrossOriginTests {
    private static let origin = "https://app.example.com"
    private static let settings = ["CORS_ORIGINS": "\(origin),http://localhost:5173"]

    private static func asking(_ method: String, from origin: String = origin) -> HTTPFields {
        [
            .origin: origin, .accessControlRequestMethod: method,
            .accessControlRequestHeaders: "authorization,tus-resumable,upload-length,upload-metadata",
        ]
    }

    /// The names of a list in a header, in lower case.
    private static func names(_ field: String?) -> Set<String> {
        Set((field ?? "").split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces).lowercased() })
    }

    @Test("A browser that asks before a request of a page that may call is told so, without a sign-in, on every path")
    func preflight() async throws {
        try await APIFixture.with(settings: Self.settings) { client in
            for (method, path) in [
                ("POST", "/v1/uploads"), ("PATCH", "/v1/uploads/\(UploadID.new())"), ("HEAD", "/v1/uploads/x"),
                ("DELETE", "/v1/uploads/x"), ("POST", "/v1/sessions"), ("PUT", "/v1/documents/a.pdf"),
            ] {
                let answer = try await client.send(.options, path, Self.asking(method))
                #expect(answer.status == .noContent, "\(path)")
                #expect(answer.headers[.accessControlAllowOrigin] == Self.origin)
                #expect(Self.names(answer.headers[.accessControlAllowMethods]).contains(method.lowercased()))
                let sent: Set = [
                    "authorization", "content-type", "tus-resumable", "upload-length", "upload-offset",
                    "upload-metadata", "upload-defer-length", "upload-concat", "upload-checksum", "upload-complete",
                    "x-http-method-override", "x-request-id", "range",
                ]
                #expect(Self.names(answer.headers[.accessControlAllowHeaders]).isSuperset(of: sent))
                #expect(answer.headers[.accessControlAllowCredentials] == nil)
                #expect(answer.headers[.vary] == "Origin")
            }
        }
    }

    @Test("What it gets it may read, with the headers tus needs, refusals among it")
    func actual() async throws {
        try await APIFixture.with(settings: Self.settings) { client in
            let refused = try await client.send(.post, "/v1/uploads", [.origin: Self.origin, .tusResumable: "1.0.0"])
            #expect(refused.status == .unauthorized)
            let described = try await client.send(.options, "/v1/uploads", [.origin: Self.origin])
            #expect(described.headers[.tusVersion] == "1.0.0")
            for answer in [refused, described, try await client.send(.get, "/nowhere", [.origin: Self.origin])] {
                #expect(answer.headers[.accessControlAllowOrigin] == Self.origin)
                let read: Set = [
                    "location", "upload-offset", "upload-length", "tus-resumable", "tus-version", "tus-extension",
                    "tus-max-size", "upload-expires", "upload-complete", "upload-limit", "retry-after", "x-request-id",
                ]
                #expect(Self.names(answer.headers[.accessControlExposeHeaders]).isSuperset(of: read))
                #expect(Self.names(answer.headers[.vary]).contains("origin"))
            }
        }
    }

    @Test("Other origins, and every one by default, get nothing of it")
    func others() async throws {
        let others = [
            "https://evil.example", "http://app.example.com", "https://app.example.com:8443", "null",
            "https://app.example.com.evil.example",
        ]
        for variables in [Self.settings, [:]] {
            try await APIFixture.with(settings: variables) { client in
                for origin in variables.isEmpty ? others + [Self.origin] : others {
                    let asked = try await client.send(.options, "/v1/items", Self.asking("GET", from: origin))
                    #expect(asked.status == .methodNotAllowed, "\(origin)")
                    let page = try await client.send(.get, "/openapi.json", [.origin: origin])
                    for answer in [asked, page] {
                        #expect(!answer.headers.contains { $0.name.canonicalName.hasPrefix("access-control") })
                        #expect((answer.headers[.vary] == "Origin") == !variables.isEmpty)
                    }
                }
            }
        }
    }
}
