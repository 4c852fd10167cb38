import Foundation
import HTTPTypes
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
            #expect(Precondition(headers, entityTag: EntityTag("tag"), modified: moment) == .notModified)
        }
        let other: HTTPFields = [.ifNoneMatch: "\"other\"", .ifModifiedSince: date]
        #expect(Precondition(other, entityTag: EntityTag("tag"), modified: moment) == .passed(rangeApplies: true))
    }

    @Test("A client that wants another file is told so")
    func failed() {
        for headers: HTTPFields in [
            [.ifMatch: "\"other\""], [.ifMatch: "W/\"tag\""], [.ifUnmodifiedSince: "Sun, 06 Nov 1994 08:49:36 GMT"],
        ] {
            #expect(Precondition(headers, entityTag: EntityTag("tag"), modified: moment) == .failed)
        }
        #expect(
            Precondition([.ifMatch: "*"], entityTag: EntityTag("tag"), modified: moment) == .passed(rangeApplies: true)
        )
    }

    @Test("A range of another file's bytes is not continued")
    func ifRange() {
        for (value, applies) in [("\"tag\"", true), ("\"other\"", false), ("W/\"tag\"", false), (date, true)] {
            #expect(
                Precondition([.ifRange: value], entityTag: EntityTag("tag"), modified: moment)
                    == .passed(rangeApplies: applies)
            )
        }
    }
}

@Suite struct EntityTagTests {
    @Test("A worker's file has another tag for each attempt")
    func attempts() {
        #expect(EntityTag(path: "renditions/3f/a3f/7/thumbnail.jpg", names: 3).header == "\"a3f-7-thumbnail.jpg\"")
        #expect(EntityTag(path: "renditions/3f/a3f/8/thumbnail.jpg", names: 3).header == "\"a3f-8-thumbnail.jpg\"")
    }
}
