import Foundation
import HTTPTypes
import Hummingbird

/// What the conditional headers of a request say about a file (RFC 9110, 13.2.2).
enum Precondition: Equatable {
    /// The client asked for something this file is not.
    case failed
    /// The client has it already.
    case notModified
    /// Send it; a range only if the client's part is of these bytes.
    case passed(rangeApplies: Bool)

    /// Reads the conditional headers; what is not known to have been modified at a time meets no date.
    init(_ headers: HTTPFields, entityTag: String, modified: Date?) {
        let modified = modified?.wholeSeconds
        if let tags = headers[.ifMatch] {
            guard Self.lists(tags, entityTag, weakly: false) else {
                self = .failed
                return
            }
        } else if let date = headers[.ifUnmodifiedSince].flatMap(HTTPDate.parse), let modified, modified > date {
            self = .failed
            return
        }
        if let tags = headers[.ifNoneMatch] {
            if Self.lists(tags, entityTag, weakly: true) {
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
            ? condition == "\"\(entityTag)\"" : modified != nil && HTTPDate.parse(condition) == modified
        self = .passed(rangeApplies: sameBytes)
    }

    private static func lists(_ header: String, _ entityTag: String, weakly: Bool) -> Bool {
        header.split(separator: ",").contains { item in
            let tag = item.trimmingCharacters(in: .whitespaces)
            return tag == "*" || tag == "\"\(entityTag)\"" || (weakly && tag == "W/\"\(entityTag)\"")
        }
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

extension Date {
    /// HTTP knows no fractions.
    fileprivate var wholeSeconds: Date { Date(timeIntervalSince1970: timeIntervalSince1970.rounded(.down)) }
}
