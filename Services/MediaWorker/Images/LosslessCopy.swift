import CTurboJPEG
import Foundation

/// The same pixels in a file without metadata, turned upright where that loses nothing.
enum LosslessCopy {
    /// A JPEG of the same coefficients. Nil if it cannot be turned so.
    static func jpeg(_ bytes: UnsafeRawBufferPointer, orientation: Int) -> Data? {
        let turns: [Int: TJXOP] = [
            1: TJXOP_NONE, 2: TJXOP_HFLIP, 3: TJXOP_ROT180, 4: TJXOP_VFLIP, 5: TJXOP_TRANSPOSE, 6: TJXOP_ROT90,
            7: TJXOP_TRANSVERSE, 8: TJXOP_ROT270,
        ]
        guard let turn = turns[orientation], let count = UInt(exactly: bytes.count), let start = bytes.baseAddress,
            let handle = tjInitTransform()
        else { return nil }
        defer { tjDestroy(handle) }
        var transform = tjtransform()
        transform.op = Int32(turn.rawValue)
        // Progressive, because its tables are made for this picture: about as small as a JPEG can be.
        transform.options = TJXOPT_PERFECT | TJXOPT_COPYNONE | TJXOPT_PROGRESSIVE
        var output: UnsafeMutablePointer<UInt8>?
        var length: UInt = 0
        let failed = tjTransform(
            handle,
            start.assumingMemoryBound(to: UInt8.self),
            count,
            1,
            &output,
            &length,
            &transform,
            0
        )
        guard let output else { return nil }
        let copy = Data(bytes: output, count: Int(length))
        tjFree(output)
        return failed == 0 ? copy : nil
    }

    /// A PNG of the same chunks but those that say more than how to show it; nil if it is none, or is an animation.
    static func png(_ bytes: UnsafeRawBufferPointer) -> Data? {
        let kept = ["IHDR", "PLTE", "IDAT", "IEND"]
        guard let start = bytes.baseAddress else { return nil }
        var copy = Data(bytes: start, count: min(8, bytes.count))
        var offset = 8
        while let length = bytes.number32(offset), length <= bytes.count - offset - 12 {
            guard !bytes.hasBytes("acTL", at: offset + 4), !bytes.hasBytes("tRNS", at: offset + 4) else { return nil }
            if kept.contains(where: { bytes.hasBytes($0, at: offset + 4) }) {
                copy += Data(bytes: start + offset, count: length + 12)
            }
            if bytes.hasBytes("IEND", at: offset + 4) { return copy }
            offset += length + 12
        }
        return nil
    }
}
