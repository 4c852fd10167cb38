import Foundation
import HTTPTypes
import Hummingbird
import NIOCore

@testable import API

/// What is promised about ranges and conditions. An input is the head of a request for a file.
enum ConditionPromises {
    private static let sizes: [Int64] = [0, 1, 10, 4096, .max]
    private static let tag = EntityTag("tag")
    /// Sun, 06 Nov 1994 08:49:37 GMT
    private static let written = Date(timeIntervalSince1970: 784_111_777.5)
    /// What four digits can say.
    private static let writableDates =
        Date(timeIntervalSince1970: -62_135_596_800)..<Date(timeIntervalSince1970: 253_402_300_800)

    static func check(_ input: [UInt8]) throws(BrokenPromise) {
        let head = RequestHead(input)
        try checkRange(head)
        for modified in [nil, written] { try checkConditions(head.headers, modified) }
        for name in [HTTPField.Name.ifRange, .ifModifiedSince, .ifUnmodifiedSince] {
            if let text = head.headers[name] { try checkDate(text) }
        }
    }

    private static func checkRange(_ head: RequestHead) throws(BrokenPromise) {
        let header = head.headers[.range]
        let isIgnored = ByteRange(header: header, size: 10) == .whole
        for size in sizes {
            let asked = ByteRange(header: header, size: size)
            try require((asked == .whole) == isIgnored, "\(header ?? "") is understood for some sizes only")
            guard case .part(let range) = asked else { continue }
            let isWithin = range.lowerBound >= 0 && range.upperBound <= size && !range.isEmpty
            try require(isWithin, "\(header ?? "") of \(size) is \(range)")
            let again = ByteRange(header: "bytes=\(range.lowerBound)-\(range.upperBound - 1)", size: size)
            try require(again == asked, "\(range) of \(size) is read again as \(again)")
        }
        let request = Request(head: head.head, body: RequestBody(buffer: ByteBuffer()))
        let redirect = AccelRedirect(roots: [("main", "/media")])
        if let header, redirect.address(of: "/media/a", for: request, range: header) != nil {
            try require(!isIgnored, "nginx would take the range \(header), which is ignored here")
        }
    }

    /// (RFC 9110, 13.1 and 13.2.2.)
    private static func checkConditions(_ headers: HTTPFields, _ modified: Date?) throws(BrokenPromise) {
        let found = Precondition(headers, entityTag: tag, modified: modified)
        switch found {
        case .failed:
            let isAsked = headers[.ifMatch] != nil || (headers[.ifUnmodifiedSince] != nil && modified != nil)
            try require(isAsked, "\(headers) fails without a condition")
        case .notModified:
            let isAsked = headers[.ifNoneMatch] != nil || (headers[.ifModifiedSince] != nil && modified != nil)
            try require(isAsked, "\(headers) is not modified without a condition")
        case .passed(let rangeApplies):
            try require(rangeApplies || headers[.ifRange] != nil, "\(headers) has no range without a condition")
        }
        for (stronger, weaker) in [
            (HTTPField.Name.ifMatch, HTTPField.Name.ifUnmodifiedSince), (.ifNoneMatch, .ifModifiedSince),
        ] where headers[stronger] != nil {
            var without = headers
            without[weaker] = nil
            let other = Precondition(without, entityTag: tag, modified: modified)
            try require(other == found, "\(headers) is decided by \(weaker)")
        }
        if let tags = headers[.ifMatch], found == .failed {
            var more = headers
            more[.ifMatch] = "\(tags), \(tag.header)"
            let other = Precondition(more, entityTag: tag, modified: modified)
            try require(other != .failed, "\(more) fails though it lists the file's tag")
        }
    }

    private static func checkDate(_ text: String) throws(BrokenPromise) {
        guard let date = HTTPDate.parse(text) else { return }
        try require(date.timeIntervalSince1970.isFinite, "\(text) is no time")
        guard writableDates.contains(date) else { return }
        let written = HTTPDate.format(date)
        try require(HTTPDate.parse(written) == date, "\(text) is written as \(written)")
    }
}
