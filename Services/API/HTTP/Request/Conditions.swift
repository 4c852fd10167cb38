import Foundation
import HTTPTypes

/// A strong entity tag: two bodies with the same tag are the same bytes (RFC 9110, 8.8.3).
struct EntityTag: Sendable {
    /// As it stands in `ETag`, with its quotes.
    let header: String

    /// - Parameter text: Visible ASCII without quotes.
    init(_ text: String) { header = "\"\(text)\"" }

    /// For a file that a worker made: each attempt writes its own path, so the path changes when the bytes may have.
    /// Its last `names` components identify the attempt and the file.
    init(path: some StringProtocol, names: Int) {
        self.init(path.split(separator: "/").suffix(names).joined(separator: "-"))
    }

    /// Whether `If-Match` or `If-None-Match` names it; the latter compares weakly.
    fileprivate func isListed(in field: String, weakly: Bool) -> Bool {
        field.split(separator: ",").contains { item in
            let tag = item.trimmingCharacters(in: .whitespaces)
            return tag == "*" || tag == header || (weakly && tag == "W/\(header)")
        }
    }
}

/// What the conditional headers of a request say about a file (RFC 9110, 13.2.2).
enum Precondition: Equatable {
    /// A condition does not hold (412).
    case failed
    /// The client has this version already (304).
    case notModified
    /// Send it; a range only if the client's part is of these bytes.
    case passed(rangeApplies: Bool)

    /// A file whose modification time is unknown (`modified` is nil) meets no date condition.
    init(_ headers: HTTPFields, entityTag: EntityTag, modified: Date?) {
        // HTTP's dates have no fractions.
        let modified = modified.map { Date(timeIntervalSince1970: $0.timeIntervalSince1970.rounded(.down)) }
        if let tags = headers[.ifMatch] {
            guard entityTag.isListed(in: tags, weakly: false) else {
                self = .failed
                return
            }
        } else if let date = headers[.ifUnmodifiedSince].flatMap(HTTPDate.parse), let modified, modified > date {
            self = .failed
            return
        }
        if let tags = headers[.ifNoneMatch] {
            if entityTag.isListed(in: tags, weakly: true) {
                self = .notModified
                return
            }
        } else if let date = headers[.ifModifiedSince].flatMap(HTTPDate.parse), let modified, modified <= date {
            self = .notModified
            return
        }
        guard let condition = headers[.ifRange] else {
            self = .passed(rangeApplies: true)
            return
        }
        let sameBytes =
            condition.hasPrefix("\"")
            ? condition == entityTag.header : modified != nil && HTTPDate.parse(condition) == modified
        self = .passed(rangeApplies: sameBytes)
    }
}

/// What a `Range` header asks for of a body of a known size (RFC 9110, 14).
enum ByteRange: Equatable {
    /// No range, or one that is not understood and therefore ignored: the whole body.
    case whole
    case part(Range<Int64>)
    /// A range past the end, or one that ends before it begins.
    case unsatisfiable

    /// Reads the header. Several ranges give the whole body, which the RFC allows and every client understands.
    init(header: String?, size: Int64) {
        guard let header, let specification = Self.singleRange(header) else {
            self = .whole
            return
        }
        let ends = specification.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
        guard ends.count == 2 else {
            self = .whole
            return
        }
        switch (Self.number(ends[0]), Self.number(ends[1])) {
        case (nil, let last?) where ends[0].isEmpty:
            self = last == 0 || size == 0 ? .unsatisfiable : .part(max(0, size - last)..<size)
        case (let first?, nil) where ends[1].isEmpty:
            self = first < size ? .part(first..<size) : .unsatisfiable
        case (let first?, let last?):
            self = first <= last && first < size ? .part(first..<(min(last, size - 1) + 1)) : .unsatisfiable
        default:
            self = .whole
        }
    }

    private static func singleRange(_ header: String) -> Substring? {
        let text = header.drop { $0 == " " }
        guard text.lowercased().hasPrefix("bytes="), !text.contains(",") else { return nil }
        return text.dropFirst("bytes=".count)
    }

    /// Digits only; a number too large for any file counts as the largest.
    private static func number(_ text: Substring) -> Int64? {
        guard !text.isEmpty, text.utf8.allSatisfy({ UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }) else { return nil }
        return Int64(text) ?? .max
    }
}

/// Dates as HTTP writes them: `Sun, 06 Nov 1994 08:49:37 GMT`.
enum HTTPDate {
    private static let style = Date.VerbatimFormatStyle(
        format:
            "\(weekday: .abbreviated), \(day: .twoDigits) \(month: .abbreviated) \(year: .padded(4)) \(hour: .twoDigits(clock: .twentyFourHour, hourCycle: .zeroBased)):\(minute: .twoDigits):\(second: .twoDigits) GMT",
        locale: Locale(identifier: "en_US_POSIX"),
        timeZone: .gmt,
        calendar: Calendar(identifier: .gregorian)
    )

    static func format(_ date: Date) -> String { style.format(date) }

    static func parse(_ text: String) -> Date? { try? style.parseStrategy.parse(text) }
}
