import Foundation
import Glibc

/// One entry of an archive, and its two headers (PKWARE's APPNOTE 6.3.10, 4.3.7 and 4.3.12).
///
/// The local header has true sizes and checksums, since readers that stream refuse a stored entry whose size comes
/// after its data.
struct EntryHeader: Sendable {
    enum Method: UInt16, Sendable {
        case stored = 0
        case deflated = 8
    }

    /// Every entry's data begins at a multiple of this, so that file systems can share its blocks.
    static let alignment: Int64 = 4096

    let name: String
    let time: EntryTime
    let method: Method
    let crc32: UInt32
    /// Bytes in the archive.
    let storedBytes: Int64
    /// Bytes before compression.
    let bytes: Int64
    /// Where the local header begins.
    let offset: Int64

    /// True if a header has room for the name.
    static func canHold(name: String) -> Bool { name.utf8.count <= Int(UInt16.max) }

    /// Where the data of an entry begins whose local header is at `offset`: a multiple of `alignment` that the local
    /// header can be stretched to. `mayBeLarge` leaves room for 64-bit sizes, and is true whenever the entry might need
    /// them.
    static func dataOffset(name: String, time: EntryTime, at offset: Int64, mayBeLarge: Bool) -> Int64 {
        let fields = (time.unixTime == nil ? 0 : 9) + (mayBeLarge ? 20 : 0)
        let end = offset + 30 + Int64(name.utf8.count + fields)
        let aligned = end.roundedUp(to: alignment)
        let padding = aligned - end
        return padding == 0 || padding >= Padding.smallest ? aligned : aligned + alignment
    }

    /// The local header, stretched by a field without meaning so that the data begins at `dataOffset`.
    func local(dataOffset: Int64) -> [UInt8] {
        var fields = timeField
        if needsLargeSizes {
            fields.append(littleEndian: ExtraField.zip64)
            fields.append(littleEndian: UInt16(16))
            fields.append(littleEndian: bytes)
            fields.append(littleEndian: storedBytes)
        }
        let used = 30 + name.utf8.count + fields.count
        fields.append(contentsOf: Padding.field(Int(dataOffset - offset) - used))

        var header: [UInt8] = []
        header.reserveCapacity(Int(dataOffset - offset))
        header.append(littleEndian: 0x0403_4B50 as UInt32)
        append(to: &header)
        // Both or neither: a reader takes the two 64-bit sizes together.
        header.append(littleEndian: needsLargeSizes ? .max : UInt32(storedBytes))
        header.append(littleEndian: needsLargeSizes ? .max : UInt32(bytes))
        header.append(littleEndian: UInt16(name.utf8.count))
        header.append(littleEndian: UInt16(fields.count))
        header.append(contentsOf: name.utf8)
        header.append(contentsOf: fields)
        return header
    }

    func appendCentral(to directory: inout [UInt8]) {
        var large: [UInt8] = []
        for number in [bytes, storedBytes, offset] where number.needs64Bits { large.append(littleEndian: number) }
        var fields = timeField
        if !large.isEmpty {
            fields.append(littleEndian: ExtraField.zip64)
            fields.append(littleEndian: UInt16(large.count))
            fields += large
        }
        directory.append(littleEndian: 0x0201_4B50 as UInt32)
        directory.append(littleEndian: madeOnUnix | version)
        append(to: &directory)
        directory.append(littleEndian: storedBytes.in32Bits)
        directory.append(littleEndian: bytes.in32Bits)
        directory.append(littleEndian: UInt16(name.utf8.count))
        directory.append(littleEndian: UInt16(fields.count))
        // No comment, the first disk, no internal attributes.
        directory.append(contentsOf: [0, 0, 0, 0, 0, 0])
        // The mode of a regular file anyone may read.
        directory.append(littleEndian: 0o100644 << 16 as UInt32)
        directory.append(littleEndian: offset.in32Bits)
        directory.append(contentsOf: name.utf8)
        directory.append(contentsOf: fields)
    }

    private var needsLargeSizes: Bool { bytes.needs64Bits || storedBytes.needs64Bits }
    private var version: UInt16 { needsLargeSizes || offset.needs64Bits ? 45 : 20 }
    private var madeOnUnix: UInt16 { 3 << 8 }

    /// The modification time alone, in the same form in both headers.
    private var timeField: [UInt8] {
        guard let seconds = time.unixTime else { return [] }
        var field: [UInt8] = []
        field.append(littleEndian: ExtraField.time)
        field.append(littleEndian: UInt16(5))
        field.append(1)
        field.append(littleEndian: seconds)
        return field
    }

    /// What both headers have in common, from the version needed to the CRC-32.
    private func append(to header: inout [UInt8]) {
        header.append(littleEndian: version)
        // Bit 11: the name is UTF-8.
        header.append(littleEndian: 1 << 11 as UInt16)
        header.append(littleEndian: method.rawValue)
        header.append(littleEndian: time.dosTime)
        header.append(littleEndian: time.dosDate)
        header.append(littleEndian: crc32)
    }
}

private enum ExtraField {
    static let zip64: UInt16 = 0x0001
    static let time: UInt16 = 0x5455
    /// Android's zipalign: the alignment, then zeros.
    static let alignment: UInt16 = 0xD935
}

private enum Padding {
    static let smallest: Int64 = 6
    private static let zeros = [UInt8](repeating: 0, count: 2 * Int(EntryHeader.alignment))

    static func field(_ count: Int) -> [UInt8] {
        guard count > 0 else { return [] }
        var field: [UInt8] = []
        field.append(littleEndian: ExtraField.alignment)
        field.append(littleEndian: UInt16(count - 4))
        field.append(littleEndian: UInt16(EntryHeader.alignment))
        field.append(contentsOf: zeros.prefix(count - 6))
        return field
    }
}

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

/// The list of entries that ends an archive (APPNOTE 4.3.12 to 4.3.16).
///
/// It is kept as it will be written, about 60 bytes and the name an entry: nothing in memory is smaller.
struct CentralDirectory: Sendable {
    private static let pieceBytes = 256 << 10

    /// Entries.
    private(set) var count = 0
    private(set) var bytes: Int64 = 0
    private(set) var pieces: [[UInt8]] = []

    mutating func append(_ entry: EntryHeader) {
        if pieces.last.map({ $0.count >= Self.pieceBytes }) ?? true {
            pieces.append([])
            // Growing by doubling would hold the piece twice; what is not used of this stays untouched.
            pieces[pieces.count - 1].reserveCapacity(Self.pieceBytes + 2 * Int(UInt16.max))
        }
        let last = pieces.count - 1
        let before = pieces[last].count
        entry.appendCentral(to: &pieces[last])
        count += 1
        bytes += Int64(pieces[last].count - before)
    }

    /// The records that follow it, in 64 bits only where a number does not fit the older record.
    static func end(count: Int, bytes: Int64, at offset: Int64) -> [UInt8] {
        var records: [UInt8] = []
        if count >= Int(UInt16.max) || bytes.needs64Bits || offset.needs64Bits {
            records.append(littleEndian: 0x0606_4B50 as UInt32)
            // The size of the rest of this record.
            records.append(littleEndian: 44 as UInt64)
            records.append(littleEndian: 3 << 8 | 45 as UInt16)
            records.append(littleEndian: 45 as UInt16)
            records.append(littleEndian: 0 as UInt64)
            records.append(littleEndian: UInt64(count))
            records.append(littleEndian: UInt64(count))
            records.append(littleEndian: bytes)
            records.append(littleEndian: offset)

            records.append(littleEndian: 0x0706_4B50 as UInt32)
            records.append(littleEndian: 0 as UInt32)
            records.append(littleEndian: offset + bytes)
            records.append(littleEndian: 1 as UInt32)
        }
        let shortCount = UInt16(clamping: count)
        records.append(littleEndian: 0x0605_4B50 as UInt32)
        records.append(littleEndian: 0 as UInt32)
        records.append(littleEndian: shortCount)
        records.append(littleEndian: shortCount)
        records.append(littleEndian: bytes.in32Bits)
        records.append(littleEndian: offset.in32Bits)
        records.append(littleEndian: 0 as UInt16)
        return records
    }
}

extension [UInt8] {
    /// Appends a number in the byte order of ZIP.
    mutating func append(littleEndian number: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: number.littleEndian) { append(contentsOf: $0) }
    }
}

extension Int64 {
    /// The largest 32-bit number is the sign for a 64-bit one elsewhere, so it needs 64 bits itself.
    var needs64Bits: Bool { self >= Int64(UInt32.max) }

    /// As a 32-bit field holds it; all ones send the reader to the 64-bit field.
    var in32Bits: UInt32 { UInt32(clamping: self) }

    /// The next multiple of a power of two.
    func roundedUp(to multiple: Int64) -> Int64 { (self + multiple - 1) & ~(multiple - 1) }
}
