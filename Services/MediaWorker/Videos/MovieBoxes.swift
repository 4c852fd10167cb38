import Foundation
import Storage

/// What the boxes of a QuickTime or MP4 file tell that ffprobe does not (ISO/IEC 14496-12).
///
/// It is read from a few places of the file, whatever the file holds: at most some hundred boxes, each by its header and
/// its fixed fields.
struct MovieBoxes: Equatable, Sendable {
    /// The index is there, and every box ends within the file: nothing was cut off. A recording in fragments may end
    /// anywhere, so it never counts as whole.
    private(set) var isWhole = false
    /// A track that changes its coding on the way (clips that were joined without encoding): ffmpeg before 8 copies the
    /// first coding alone.
    private(set) var changesCoding = false
    /// A track is put together of several stretches of its media.
    private(set) var isSpliced = false
    /// How long the last frame of the first picture track is shown, in seconds; nil if there is none.
    private(set) var lastFrameSeconds: Double?

    private var hasPicture = false

    private static let maximumTopLevel = 1000
    fileprivate static let maximumChildren = 200
    private static let maximumTracks = 64

    /// Reads a file; nil for what is no movie, or not built as one. Blocks.
    ///
    /// - Throws: What opening the file throws.
    init?(path: String) throws(StorageError) {
        let file = try BoxFile(path: path)
        guard let boxes = file.boxes(in: 0..<file.size, most: Self.maximumTopLevel) else { return nil }
        guard let movie = boxes.last(where: { $0.type == "moov" }) else { return nil }
        guard let children = file.boxes(in: movie.content, most: Self.maximumChildren) else { return nil }
        let tracks = children.filter { $0.type == "trak" }
        guard tracks.count <= Self.maximumTracks else { return nil }
        let isFragmented = children.contains { $0.type == "mvex" }
        isWhole = !isFragmented && boxes.allSatisfy(\.isComplete)
        for track in tracks where !read(track, of: file) { return nil }
        if !hasPicture { isWhole = false }
    }

    /// False for a track that is not built as one.
    private mutating func read(_ track: BoxFile.Box, of file: BoxFile) -> Bool {
        guard let parts = file.boxes(in: track.content, most: Self.maximumChildren),
            let media = parts.first(where: { $0.type == "mdia" }),
            let described = file.boxes(in: media.content, most: Self.maximumChildren),
            let handler = described.first(where: { $0.type == "hdlr" }),
            let kind = file.type(at: handler.content.lowerBound + 8)
        else { return false }
        guard kind == "vide" || kind == "soun" else { return true }
        guard let header = described.first(where: { $0.type == "mdhd" }),
            let table = file.child("stbl", of: file.child("minf", of: media)),
            let descriptions = file.child("stsd", of: table).flatMap({ file.number(at: $0.content.lowerBound + 4) }),
            let times = file.child("stts", of: table)
        else { return false }
        if descriptions > 1 { changesCoding = true }
        if let edits = file.child("elst", of: parts.first { $0.type == "edts" }), file.stretches(of: edits) > 1 {
            isSpliced = true
        }
        if kind == "vide", !hasPicture {
            hasPicture = true
            lastFrameSeconds = file.lastSampleSeconds(times, header)
        }
        return true
    }
}

/// A file of boxes, read at offsets.
private struct BoxFile {
    struct Box {
        let type: String
        /// As far as it lies in the file.
        let content: Range<Int64>
        /// Whether it ends, by its own word, within the file.
        let isComplete: Bool
    }

    let size: Int64
    private let reader: FileReader

    init(path: String) throws(StorageError) {
        reader = try FileReader(path: path)
        size = reader.size
    }

    /// The boxes in a range, in order; nil if they are more than `most`. A malformed one is the last, and not complete.
    func boxes(in range: Range<Int64>, most: Int) -> [Box]? {
        var boxes: [Box] = []
        var position = range.lowerBound
        while range.upperBound - position >= 8 {
            guard boxes.count < most else { return nil }
            let broken = boxes + [Box(type: "", content: position..<position, isComplete: false)]
            guard let short = number(at: position), let type = type(at: position + 4) else { return broken }
            var header: Int64 = 8
            var end: Int64
            switch short {
            // To the end of the file: whether all of it is there nobody can tell.
            case 0: end = .max
            case 1:
                header = 16
                guard let high = number(at: position + 8), let low = number(at: position + 12) else { return broken }
                let (sum, overflow) = position.addingReportingOverflow(
                    Int64(bitPattern: UInt64(high) << 32 | UInt64(low))
                )
                end = overflow ? .max : sum
            default: end = position + Int64(short)
            }
            let inside = min(end, range.upperBound)
            guard position + header <= inside else { return broken }
            boxes.append(
                Box(type: type, content: position + header..<inside, isComplete: end <= range.upperBound)
            )
            position = inside
        }
        return boxes
    }

    func child(_ type: String, of box: Box?) -> Box? {
        guard let box else { return nil }
        return boxes(in: box.content, most: MovieBoxes.maximumChildren)?.first { $0.type == type }
    }

    /// Four bytes, the most significant first; nil beyond the end of the file.
    func number(at offset: Int64) -> UInt32? {
        bytes(at: offset).map { $0.reduce(0) { $0 << 8 | UInt32($1) } }
    }

    func type(at offset: Int64) -> String? {
        bytes(at: offset).map { String(decoding: $0, as: UTF8.self) }
    }

    /// How many stretches of media an edit list plays; the empty ones in front only delay a track.
    func stretches(of list: Box) -> Int {
        let start = list.content.lowerBound
        guard let version = number(at: start).map({ $0 >> 24 }), let count = number(at: start + 4) else { return 0 }
        guard count <= 16 else { return Int(count) }
        return (0..<Int64(count)).count { index in
            let entry = start + 8 + index * (version == 1 ? 20 : 12)
            return number(at: entry + (version == 1 ? 8 : 4)) != .max
        }
    }

    /// How long the last sample of a track lasts, from the table of times and the header that has their scale.
    func lastSampleSeconds(_ times: Box, _ header: Box) -> Double? {
        guard let version = number(at: header.content.lowerBound).map({ $0 >> 24 }),
            let scale = number(at: header.content.lowerBound + (version == 1 ? 20 : 12)), scale > 0,
            let count = number(at: times.content.lowerBound + 4), count > 0,
            let last = number(at: times.content.lowerBound + 8 + 8 * (Int64(count) - 1) + 4)
        else { return nil }
        return Double(last) / Double(scale)
    }

    private func bytes(at offset: Int64) -> [UInt8]? {
        guard offset >= 0, offset <= size - 4 else { return nil }
        var bytes: [UInt8] = [0, 0, 0, 0]
        let isRead = bytes.withUnsafeMutableBytes { buffer in
            do throws(StorageError) {
                try reader.read(into: buffer, at: offset)
                return true
            } catch {
                return false
            }
        }
        return isRead ? bytes : nil
    }
}
