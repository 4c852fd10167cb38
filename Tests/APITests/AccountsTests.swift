import HTTPTypes
import Hummingbird
import Testing

@testable import API

@Suite("Tickets for downloads")
struct DownloadTicketTests {
    private func request(_ method: HTTPRequest.Method, _ target: String) -> Request {
        Request(
            head: HTTPRequest(method: method, scheme: nil, authority: nil, path: target),
            body: RequestBody(buffer: .init())
        )
    }

    @Test("It is known by the address it is in, to look and to fetch")
    func address() throws {
        let ticket = DownloadTicket.new(for: "/a/1")
        for method in [HTTPRequest.Method.get, .head] {
            #expect(DownloadTicket(request(method, ticket.url))?.hash == ticket.hash)
        }
    }

    @Test("It is none for another path, and for what changes something")
    func bounds() throws {
        let ticket = DownloadTicket.new(for: "/a/1")
        #expect(DownloadTicket(request(.get, "/a/2?ticket=\(ticket.text)"))?.hash != ticket.hash)
        #expect(DownloadTicket(request(.delete, ticket.url)) == nil)
        #expect(DownloadTicket(request(.post, ticket.url)) == nil)
        #expect(DownloadTicket(request(.get, "/a/1")) == nil)
        #expect(DownloadTicket(request(.get, "/a/1?ticket=")) == nil)
        #expect(DownloadTicket(request(.get, "\(ticket.url)&ticket=x")) == nil)
    }

    @Test("No token can be made of it")
    func tokens() throws {
        let ticket = DownloadTicket.new(for: "/a/1")
        for text in [ticket.text, "\(ticket.path) \(ticket.text)", ticket.hash] {
            #expect(SessionToken(header: "Bearer \(text)")?.hash != ticket.hash)
        }
    }
}

@Suite struct SignInThrottleTests {
    @Test("After five failures from one network an account waits there, and nowhere else; no other account does")
    func account() {
        let throttle = SignInThrottle()
        let now = ContinuousClock.now
        for _ in 0..<5 {
            #expect(throttle.pause(account: "a@b.c", address: "1", now: now) == nil)
            throttle.failed(account: "A@b.c", address: "1", now: now)
        }
        #expect(throttle.pause(account: "a@b.c", address: "1", now: now) == 900)
        #expect(throttle.pause(account: "a@b.c", address: "2", now: now) == nil, "its owner signs in elsewhere")
        #expect(throttle.pause(account: "d@e.f", address: "1", now: now) == nil)
        #expect(throttle.pause(account: "a@b.c", address: "1", now: now + .seconds(901)) == nil)
        throttle.succeeded(account: "a@b.c", address: "1")
        #expect(throttle.pause(account: "a@b.c", address: "1", now: now) == nil)
    }

    @Test(
        "The addresses of one subscriber count as one",
        arguments: [
            ("2001:db8:1:2::5", "2001:db8:1:2:ffff::1", true), ("2001:db8:1:2::5", "2001:db8:1:3::5", false),
            ("::ffff:192.0.2.7", "192.0.2.7", true), ("192.0.2.7", "192.0.2.8", false), ("", "", true),
        ]
    )
    func network(one: String, other: String, same: Bool) {
        #expect((SignInThrottle.network(of: one) == SignInThrottle.network(of: other)) == same)
    }

    @Test("After fifty failures a network waits, whatever the account")
    func address() {
        let throttle = SignInThrottle()
        let now = ContinuousClock.now
        for number in 0..<50 { throttle.failed(account: "\(number)", address: "1", now: now) }
        #expect(throttle.pause(account: "new", address: "1", now: now) == 900)
        #expect(throttle.pause(account: "new", address: "2", now: now) == nil)
    }
}
