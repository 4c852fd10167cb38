/// The list of entries that ends an archive (APPNOTE 4.3.12 to 4.3.16).
///
/// It is kept as it will be written, about 60 bytes and the name an entry: nothing in memory is smaller.
struct CentralDirectory: Sendable {
    private static let pieceBytes = 256 << 10

    /// How many entries it lists.
    private(set) var count = 0
    /// Its size, in bytes.
    private(set) var bytes: Int64 = 0
    /// What it is written in.
    private(set) var pieces: [[UInt8]] = []

    /// Lists one more entry.
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
