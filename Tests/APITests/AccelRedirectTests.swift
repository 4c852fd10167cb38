import HTTPTypes
import Hummingbird
import NIOCore
import Testing

@testable import API

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
