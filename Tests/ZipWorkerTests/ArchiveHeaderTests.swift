import Foundation
import Testing

@testable import ZipWorker

@Suite("Archive headers at the edges of their numbers")
struct ArchiveHeaderTests {
    private static let limit = Int64(UInt32.max)

    private func header(bytes: Int64, stored: Int64? = nil, offset: Int64 = 0) -> EntryHeader {
        EntryHeader(
            name: "clip.mp4",
            time: EntryTime(.someDay),
            method: .stored,
            crc32: 0,
            storedBytes: stored ?? bytes,
            bytes: bytes,
            offset: offset
        )
    }

    @Test("64-bit sizes stand where 32 bits do not hold them, and nowhere else")
    func sizes() {
        var small: [UInt8] = []
        header(bytes: Self.limit - 1).appendCentral(to: &small)
        #expect(small.count == 46 + 8 + 9)
        #expect(small[6] == 20)
        var large: [UInt8] = []
        header(bytes: Self.limit).appendCentral(to: &large)
        #expect(large.count == small.count + 4 + 16)
        #expect(large[6] == 45)
        // Only the size before compression is large.
        var deflated: [UInt8] = []
        header(bytes: Self.limit, stored: 1000).appendCentral(to: &deflated)
        #expect(deflated.count == small.count + 4 + 8)
    }

    @Test("A 64-bit offset stands where 32 bits do not hold it, and only in the central directory")
    func offsets() {
        for (offset, extra) in [(Self.limit - 1, 0), (Self.limit, 12)] {
            var central: [UInt8] = []
            header(bytes: 1, offset: offset).appendCentral(to: &central)
            #expect(central.count == 46 + 8 + 9 + extra)
        }
    }

    @Test("The local header reaches exactly to the data, with whatever padding that takes")
    func padding() {
        for isLarge in [false, true] {
            // The header ends on either side of the boundary, with and without room for the padding's own header.
            for start in Array(stride(from: Int64(0), to: 3900, by: 100)) + Array(3900...4096) {
                let time = EntryTime(.someDay)
                let data = EntryHeader.dataOffset(name: "clip.mp4", time: time, at: start, mayBeLarge: isLarge)
                #expect(data.isMultiple(of: 4096))
                #expect(data - start < 4096 + 100)
                // Room for 64-bit sizes may turn out not to be needed.
                let sizes: [Int64] = isLarge ? [1, Self.limit] : [1]
                for bytes in sizes {
                    let local = header(bytes: bytes, offset: start).local(dataOffset: data)
                    #expect(Int64(local.count) == data - start)
                }
            }
        }
    }

    @Test("The end of an archive is told in 64 bits from 65 535 entries, or 4 GiB, on")
    func end() {
        #expect(CentralDirectory.end(count: 65_534, bytes: 1, at: 1).count == 22)
        #expect(CentralDirectory.end(count: 65_535, bytes: 1, at: 1).count == 98)
        #expect(CentralDirectory.end(count: 1, bytes: Self.limit - 1, at: Self.limit - 1).count == 22)
        #expect(CentralDirectory.end(count: 1, bytes: Self.limit, at: 1).count == 98)
        #expect(CentralDirectory.end(count: 1, bytes: 1, at: Self.limit).count == 98)
    }

    @Test("The central directory is kept in pieces")
    func pieces() {
        var directory = CentralDirectory()
        for offset in 0..<40_000 { directory.append(header(bytes: 1, offset: Int64(offset))) }
        #expect(directory.count == 40_000)
        #expect(directory.bytes == 40_000 * 63)
        #expect(directory.pieces.count == 10)
        #expect(directory.pieces.reduce(0) { $0 + $1.count } == 40_000 * 63)
    }

    @Test("Times are UTC, cut to what DOS can tell; the Unix time is left out where 32 bits do not reach")
    func times() {
        let known = EntryTime(Date(timeIntervalSince1970: 1_764_000_001.9))
        // 2025-11-24 16:00:00
        #expect(known.dosDate == 45 << 9 | 11 << 5 | 24)
        #expect(known.dosTime == 16 << 11)
        #expect(known.unixTime == 1_764_000_001)
        let old = EntryTime(Date(timeIntervalSince1970: -1))
        #expect(old.dosDate == 1 << 5 | 1)
        #expect(old.unixTime == -1)
        let late = EntryTime(.distantFuture)
        #expect(late.dosDate == 127 << 9 | 12 << 5 | 31)
        #expect(late.dosTime == 23 << 11 | 59 << 5 | 29)
        #expect(late.unixTime == nil)
    }
}
