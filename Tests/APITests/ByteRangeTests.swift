import Foundation
import HTTPTypes
import Models
import Testing

@testable import API

@Suite struct ByteRangeTests {
    @Test(
        "A range gives the bytes it names",
        arguments: [
            ("bytes=0-4", ByteRange.part(0..<5)), ("bytes=5-", .part(5..<10)), ("bytes=-5", .part(5..<10)),
            ("bytes=0-99", .part(0..<10)), ("bytes=-99", .part(0..<10)), ("BYTES=9-9", .part(9..<10)),
            ("bytes=0-99999999999999999999", .part(0..<10)),
        ]
    )
    func satisfiable(header: String, range: ByteRange) {
        #expect(ByteRange(header: header, size: 10) == range)
    }

    @Test("A range that no byte lies in is refused", arguments: ["bytes=10-", "bytes=9-3", "bytes=-0", "bytes=99-100"])
    func unsatisfiable(header: String) {
        #expect(ByteRange(header: header, size: 10) == .unsatisfiable)
    }

    @Test(
        "What is not understood gives the whole",
        arguments: [
            nil, "bytes=", "bytes=-", "bytes=a-b", "bytes=1-2,4-5", "items=0-4", "bytes=+1-2", "bytes= 1-2",
        ]
    )
    func ignored(header: String?) {
        #expect(ByteRange(header: header, size: 10) == .whole)
    }

    @Test("An empty file has no ranges")
    func empty() {
        #expect(ByteRange(header: "bytes=0-", size: 0) == .unsatisfiable)
        #expect(ByteRange(header: "bytes=-1", size: 0) == .unsatisfiable)
        #expect(ByteRange(header: nil, size: 0) == .whole)
    }
}

@Suite struct PreconditionTests {
    private let moment = Date(timeIntervalSince1970: 784_111_777.9)
    private let date = "Sun, 06 Nov 1994 08:49:37 GMT"

    @Test("Dates are written and read as HTTP does")
    func dates() {
        #expect(HTTPDate.format(moment) == date)
        #expect(HTTPDate.parse(date) == Date(timeIntervalSince1970: 784_111_777))
        #expect(HTTPDate.parse("yesterday") == nil)
    }

    @Test("A client that has the file is told so")
    func notModified() {
        for headers: HTTPFields in [
            [.ifNoneMatch: "\"x\", \"tag\""], [.ifNoneMatch: "W/\"tag\""], [.ifNoneMatch: "*"],
            [.ifModifiedSince: date],
        ] {
            #expect(Precondition(headers, entityTag: "tag", modified: moment) == .notModified)
        }
        let other: HTTPFields = [.ifNoneMatch: "\"other\"", .ifModifiedSince: date]
        #expect(Precondition(other, entityTag: "tag", modified: moment) == .passed(rangeApplies: true))
    }

    @Test("A client that wants another file is told so")
    func failed() {
        for headers: HTTPFields in [
            [.ifMatch: "\"other\""], [.ifMatch: "W/\"tag\""], [.ifUnmodifiedSince: "Sun, 06 Nov 1994 08:49:36 GMT"],
        ] {
            #expect(Precondition(headers, entityTag: "tag", modified: moment) == .failed)
        }
        #expect(Precondition([.ifMatch: "*"], entityTag: "tag", modified: moment) == .passed(rangeApplies: true))
    }

    @Test("A range of another file's bytes is not continued")
    func ifRange() {
        for (value, applies) in [("\"tag\"", true), ("\"other\"", false), ("W/\"tag\"", false), (date, true)] {
            #expect(
                Precondition([.ifRange: value], entityTag: "tag", modified: moment) == .passed(rangeApplies: applies)
            )
        }
    }
}

@Suite struct CursorTests {
    @Test("A cursor is good for its own list of its own company, unchanged")
    func binding() throws {
        let company = CompanyID.new()
        let id = UUID()
        let cursor = Cursor.make(id, list: "items", company: company)
        #expect(Cursor.read(cursor, list: "items", company: company) == id)
        #expect(Cursor.read(cursor, list: "assets", company: company) == nil)
        #expect(Cursor.read(cursor, list: "items", company: .new()) == nil)
        #expect(Cursor.read(cursor + "A", list: "items", company: company) == nil)
        #expect(Cursor.read(String(cursor.reversed()), list: "items", company: company) == nil)
        #expect(Cursor.read("", list: "items", company: company) == nil)
    }
}

@Suite struct RequestIDTests {
    @Test("A request's id is kept if a log can hold it")
    func given() {
        #expect(RequestMiddleware.requestID("abc-1.2_3") == "abc-1.2_3")
        for bad in [nil, "", "a b", "a\nb", "é", String(repeating: "a", count: 65)] {
            #expect(RequestMiddleware.requestID(bad) != bad)
            #expect(RequestMiddleware.requestID(bad).count == 36)
        }
    }
}

@Suite struct DispositionTests {
    @Test("A name is sent in plain letters and as it is")
    func names() {
        #expect(
            FileSender.disposition(.attachment, filename: "Año \"1\".jpg")
                == "attachment; filename=\"A_o _1_.jpg\"; filename*=UTF-8''A%C3%B1o%20%221%22.jpg"
        )
    }
}

@Suite struct SignInThrottleTests {
    @Test("After five failures an account waits, and no other does")
    func account() {
        let throttle = SignInThrottle()
        let now = ContinuousClock.now
        for _ in 0..<5 {
            #expect(throttle.pause(account: "a@b.c", address: "1", now: now) == nil)
            throttle.failed(account: "A@b.c", address: "1", now: now)
        }
        #expect(throttle.pause(account: "a@b.c", address: "2", now: now) == 900)
        #expect(throttle.pause(account: "d@e.f", address: "1", now: now) == nil)
        #expect(throttle.pause(account: "a@b.c", address: "2", now: now + .seconds(901)) == nil)
        throttle.succeeded(account: "a@b.c")
        #expect(throttle.pause(account: "a@b.c", address: "2", now: now) == nil)
    }

    @Test("After fifty failures an address waits, whatever the account")
    func address() {
        let throttle = SignInThrottle()
        let now = ContinuousClock.now
        for number in 0..<50 { throttle.failed(account: "\(number)", address: "1", now: now) }
        #expect(throttle.pause(account: "new", address: "1", now: now) == 900)
        #expect(throttle.pause(account: "new", address: "2", now: now) == nil)
    }
}
