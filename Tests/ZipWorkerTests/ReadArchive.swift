import Foundation
import Testing

/// An archive as a reader sees it that walks over local headers from the first byte, then compares the central
/// directory. It shares no code with the writer.
struct ReadArchive: Sendable {
    struct Entry: Hashable, Sendable {
        var name = ""
        var version: UInt16 = 0
        var flags: UInt16 = 0
        var method: UInt16 = 0
        var dosTime: UInt16 = 0
        var dosDate: UInt16 = 0
        var crc32: UInt32 = 0
        var storedBytes: UInt64 = 0
        var bytes: UInt64 = 0
        var offset: UInt64 = 0
        var unixTime: Int32?
        var hasLargeField = false
    }

    let path: String
    let bytes: Int64
    /// By the local headers, in the order of the data.
    let entries: [Entry]
    /// Where each entry's data begins.
    let dataOffsets: [UInt64]
    /// By the central directory.
    let listed: [Entry]
    /// Whether the end of the archive is told in 64 bits.
    let hasLargeEnd: Bool

    init(_ path: String) throws {
        self.path = path
        let file = try FileHandle(forReadingFrom: URL(filePath: path))
        defer { try? file.close() }
        bytes = Int64(try file.seekToEnd())
        var position: UInt64 = 0
        var entries: [Entry] = []
        var offsets: [UInt64] = []
        while let (entry, dataOffset) = try Self.local(in: file, at: position) {
            entries.append(entry)
            offsets.append(dataOffset)
            position = dataOffset + entry.storedBytes
        }
        try file.seek(toOffset: position)
        var rest = Fields(try file.readToEnd() ?? Data())
        var listed: [Entry] = []
        while rest.peek == 0x0201_4B50 { listed.append(try Self.central(&rest)) }
        self.entries = entries
        dataOffsets = offsets
        self.listed = listed
        hasLargeEnd = rest.peek == 0x0606_4B50
        try Self.checkEnd(&rest, count: listed.count, start: position)
    }

    func entry(_ name: String) throws -> Entry {
        try #require(entries.first { $0.name == name })
    }

    func content() throws -> Data { try Data(contentsOf: URL(filePath: path)) }

    /// Nil where no local header is.
    private static func local(in file: FileHandle, at offset: UInt64) throws -> (Entry, UInt64)? {
        try file.seek(toOffset: offset)
        var fields = Fields(try file.read(upToCount: 30) ?? Data())
        guard fields.peek == 0x0403_4B50 else { return nil }
        _ = try fields.next(UInt32.self)
        var entry = Entry()
        entry.offset = offset
        try fields.readCommon(into: &entry)
        let nameCount = Int(try fields.next(UInt16.self))
        let extraCount = Int(try fields.next(UInt16.self))
        entry.name = String(decoding: try file.read(upToCount: nameCount) ?? Data(), as: UTF8.self)
        var extra = Fields(extraCount > 0 ? try file.read(upToCount: extraCount) ?? Data() : Data())
        try extra.readExtra(into: &entry, isLocal: true)
        return (entry, offset + 30 + UInt64(nameCount + extraCount))
    }

    private static func central(_ fields: inout Fields) throws -> Entry {
        _ = try fields.next(UInt32.self)
        var entry = Entry()
        let madeBy = try fields.next(UInt16.self)
        try fields.readCommon(into: &entry)
        #expect(madeBy == 3 << 8 | entry.version)
        let nameCount = Int(try fields.next(UInt16.self))
        let extraCount = Int(try fields.next(UInt16.self))
        // No comment, first disk, no internal attributes.
        #expect(try fields.next(UInt32.self) == 0)
        #expect(try fields.next(UInt16.self) == 0)
        #expect(try fields.next(UInt32.self) == 0o100644 << 16)
        entry.offset = UInt64(try fields.next(UInt32.self))
        entry.name = String(decoding: try fields.take(nameCount), as: UTF8.self)
        var extra = Fields(try fields.take(extraCount))
        try extra.readExtra(into: &entry, isLocal: false)
        return entry
    }

    private static func checkEnd(_ fields: inout Fields, count: Int, start: UInt64) throws {
        var trueCount: UInt64?
        if fields.peek == 0x0606_4B50 {
            _ = try fields.take(24)
            trueCount = try fields.next(UInt64.self)
            #expect(try fields.next(UInt64.self) == trueCount)
            _ = try fields.take(8)
            #expect(try fields.next(UInt64.self) == start)
            #expect(try fields.next(UInt32.self) == 0x0706_4B50)
            _ = try fields.take(16)
        }
        #expect(try fields.next(UInt32.self) == 0x0605_4B50)
        _ = try fields.take(4)
        let shortCount = try fields.next(UInt16.self)
        #expect(try fields.next(UInt16.self) == shortCount)
        #expect(shortCount == .max ? trueCount == UInt64(count) : Int(shortCount) == count)
        _ = try fields.take(10)
        #expect(fields.isEmpty)
    }
}

/// Little-endian numbers, one after another.
private struct Fields {
    struct Ended: Error {}
    struct UnknownField: Error { let kind: UInt16 }

    private var bytes: Data

    init(_ bytes: Data) { self.bytes = bytes }

    var isEmpty: Bool { bytes.isEmpty }

    var peek: UInt32? {
        var copy = self
        return try? copy.next(UInt32.self)
    }

    mutating func take(_ count: Int) throws -> Data {
        guard bytes.count >= count else { throw Ended() }
        defer { bytes = bytes.dropFirst(count) }
        return bytes.prefix(count)
    }

    mutating func next<Number: FixedWidthInteger>(_: Number.Type) throws -> Number {
        try take(MemoryLayout<Number>.size).reversed().reduce(0) { $0 << 8 | Number(truncatingIfNeeded: $1) }
    }

    mutating func readCommon(into entry: inout ReadArchive.Entry) throws {
        entry.version = try next(UInt16.self)
        entry.flags = try next(UInt16.self)
        entry.method = try next(UInt16.self)
        entry.dosTime = try next(UInt16.self)
        entry.dosDate = try next(UInt16.self)
        entry.crc32 = try next(UInt32.self)
        entry.storedBytes = UInt64(try next(UInt32.self))
        entry.bytes = UInt64(try next(UInt32.self))
    }

    mutating func readExtra(into entry: inout ReadArchive.Entry, isLocal: Bool) throws {
        while !isEmpty {
            let kind = try next(UInt16.self)
            var field = Fields(try take(Int(try next(UInt16.self))))
            switch kind {
            case 0x0001:
                entry.hasLargeField = true
                let all = UInt64(UInt32.max)
                if entry.bytes == all { entry.bytes = try field.next(UInt64.self) }
                if entry.storedBytes == all { entry.storedBytes = try field.next(UInt64.self) }
                if !isLocal, entry.offset == all { entry.offset = try field.next(UInt64.self) }
                #expect(field.isEmpty)
            case 0x5455:
                #expect(try field.next(UInt8.self) == 1)
                entry.unixTime = try field.next(Int32.self)
                #expect(field.isEmpty)
            case 0xD935:
                #expect(try field.next(UInt16.self) == 4096)
                #expect(field.bytes.allSatisfy { $0 == 0 })
            default:
                throw UnknownField(kind: kind)
            }
        }
    }
}
