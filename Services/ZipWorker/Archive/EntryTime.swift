import Foundation
import Glibc

/// A time as ZIP's headers hold it.
struct EntryTime: Hashable, Sendable {
    /// Years 1980 to 2107 in steps of two seconds, without a time zone; UTC here, so that no server's zone gets in.
    let dosDate: UInt16
    /// See `dosDate`.
    let dosTime: UInt16
    /// Seconds since 1970; nil where 32 bits do not reach.
    let unixTime: Int32?

    /// Takes the second a date falls in.
    init(_ date: Date) {
        let seconds = min(max(date.timeIntervalSince1970.rounded(.down), Self.dosStart), Self.dosEnd)
        var moment = time_t(seconds)
        var fields = tm()
        gmtime_r(&moment, &fields)
        dosDate = UInt16((fields.tm_year - 80) << 9 | (fields.tm_mon + 1) << 5 | fields.tm_mday)
        dosTime = UInt16(fields.tm_hour << 11 | fields.tm_min << 5 | fields.tm_sec / 2)
        unixTime = Int32(exactly: date.timeIntervalSince1970.rounded(.down))
    }

    /// 1980-01-01 00:00:00.
    private static let dosStart = 315_532_800.0
    /// 2107-12-31 23:59:58.
    private static let dosEnd = 4_354_819_198.0
}
