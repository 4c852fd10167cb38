/// What a camera's raw file (DNG, CR2, NEF, ARW: all of them TIFF files) has to show: a JPEG made by the camera.
///
/// Its own pixels are numbers of a sensor behind a mosaic of filters; TIFF readers make a dark grey picture of them. The
/// tags are those of TIFF 6.0, TIFF/EP and DNG 1.7.
struct RawPicture {
    /// Where the largest preview lies in the file; nil if there is none.
    let preview: Range<Int>?
    /// How the camera was held, by EXIF's numbers.
    let orientation: Int

    private enum Tag {
        static let compression = 259
        static let photometric = 262
        static let stripOffsets = 273
        static let orientation = 274
        static let stripByteCounts = 279
        static let subdirectories = 330
        static let jpegOffset = 513
        static let jpegLength = 514
        static let dngVersion = 50_706
    }

    private static let maximumDirectories = 32
    private static let maximumEntries = 1000

    /// Nil for what is no raw file.
    init?(_ bytes: UnsafeRawBufferPointer) {
        let isLittle = bytes.hasBytes("II*\0", at: 0)
        guard isLittle || bytes.hasBytes("MM\0*", at: 0), let first = bytes.number32(4, isLittle: isLittle) else {
            return nil
        }
        var waiting = [first]
        var seen: Set<Int> = []
        var isRaw = bytes.hasBytes("CR\u{2}\0", at: 8)
        var orientation = 1
        var largest: (range: Range<Int>, area: Int)?
        while let offset = waiting.popLast(), seen.count < Self.maximumDirectories {
            guard seen.insert(offset).inserted,
                let directory = Directory(bytes, at: offset, isLittle: isLittle, maximum: Self.maximumEntries)
            else { continue }
            // A filter mosaic, and linear raw light.
            isRaw =
                isRaw || directory.holds(Tag.dngVersion)
                || [32_803, 34_892].contains(directory.first(Tag.photometric))
            if seen.count == 1 { orientation = directory.first(Tag.orientation) ?? 1 }
            for range in directory.previews {
                guard let area = Self.area(ofJPEG: bytes, in: range), area > largest?.area ?? 0 else { continue }
                largest = (range, area)
            }
            waiting += directory.values(Tag.subdirectories).prefix(Self.maximumDirectories)
            if let next = directory.next { waiting.append(next) }
        }
        guard isRaw else { return nil }
        preview = largest?.range
        self.orientation = (1...8).contains(orientation) ? orientation : 1
    }

    /// Pixels of a JPEG that every reader knows; nil for the lossless kind, in which raw data lie, and for what is none.
    private static func area(ofJPEG bytes: UnsafeRawBufferPointer, in range: Range<Int>) -> Int? {
        var offset = range.lowerBound
        guard range.upperBound <= bytes.count, bytes.number16(offset) == 0xFFD8 else { return nil }
        offset += 2
        while offset < range.upperBound, let marker = bytes.number16(offset), marker >= 0xFF00 {
            switch marker {
            case 0xFFFF: offset += 1
            case 0xFFC0, 0xFFC1, 0xFFC2:
                guard let height = bytes.number16(offset + 5), let width = bytes.number16(offset + 7) else {
                    return nil
                }
                return width * height
            // Other kinds of frames, the data, and the end.
            case 0xFFC3, 0xFFC5...0xFFC7, 0xFFC9...0xFFCB, 0xFFCD...0xFFCF, 0xFFD9...0xFFDA: return nil
            default:
                guard let length = bytes.number16(offset + 2) else { return nil }
                offset += 2 + length
            }
        }
        return nil
    }

    /// One directory of a TIFF file.
    private struct Directory {
        private let entries: [Int: [Int]]
        /// Where the next one lies.
        let next: Int?

        init?(_ bytes: UnsafeRawBufferPointer, at offset: Int, isLittle: Bool, maximum: Int) {
            guard let count = bytes.number16(offset, isLittle: isLittle), count <= maximum else { return nil }
            var entries: [Int: [Int]] = [:]
            for number in 0..<count {
                let entry = offset + 2 + number * 12
                guard let tag = bytes.number16(entry, isLittle: isLittle),
                    let type = bytes.number16(entry + 2, isLittle: isLittle),
                    let values = bytes.number32(entry + 4, isLittle: isLittle)
                else { return nil }
                // 16 and 32 bits; whatever else it is, it is there.
                let size = [3: 2, 4: 4, 13: 4][type] ?? 0
                guard size > 0, values <= 64 else {
                    entries[tag] = []
                    continue
                }
                let inside = values * size <= 4 ? entry + 8 : bytes.number32(entry + 8, isLittle: isLittle) ?? -1
                entries[tag] = (0..<values).compactMap { index in
                    size == 2
                        ? bytes.number16(inside + 2 * index, isLittle: isLittle)
                        : bytes.number32(inside + 4 * index, isLittle: isLittle)
                }
            }
            self.entries = entries
            let following = bytes.number32(offset + 2 + count * 12, isLittle: isLittle) ?? 0
            next = following == 0 ? nil : following
        }

        func holds(_ tag: Int) -> Bool { entries[tag] != nil }
        func values(_ tag: Int) -> [Int] { entries[tag] ?? [] }
        func first(_ tag: Int) -> Int? { entries[tag]?.first }

        /// Where whole JPEG files may lie: as one strip of compressed data, or by tags of their own.
        var previews: [Range<Int>] {
            var ranges: [Range<Int>] = []
            if [6, 7].contains(first(Tag.compression)), values(Tag.stripOffsets).count == 1,
                let start = first(Tag.stripOffsets), let length = first(Tag.stripByteCounts)
            {
                ranges.append(start..<(start + length))
            }
            if let start = first(Tag.jpegOffset), let length = first(Tag.jpegLength) {
                ranges.append(start..<(start + length))
            }
            return ranges
        }
    }
}
