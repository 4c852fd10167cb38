/// One entry of an archive, and its two headers (PKWARE's APPNOTE 6.3.10, 4.3.7 and 4.3.12).
///
/// The local header has true sizes and sums, since readers that stream refuse a stored entry whose size comes
/// after its data.
struct EntryHeader: Sendable {
    /// How an entry's data is kept.
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

    /// Where the data of an entry begins whose local header is at `offset`.
    ///
    /// - Parameters:
    ///   - name: The entry's.
    ///   - time: The entry's.
    ///   - offset: Of the local header.
    ///   - mayBeLarge: Leaves room for 64-bit sizes; true whenever the entry might need them.
    /// - Returns: A multiple of `alignment` that the local header can be stretched to.
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

    /// Appends the header of the central directory.
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
}

extension EntryHeader {
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
