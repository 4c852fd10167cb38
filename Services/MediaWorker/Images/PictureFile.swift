import CLinux
import Foundation
import Glibc

/// A file's bytes in memory, as long as this value lives; the kernel reads them as they are looked at.
///
/// A file that is shortened meanwhile ends the process (SIGBUS): for decoders only.
final class PictureFile {
    let bytes: UnsafeRawBufferPointer

    /// Throws `unsupported` for an empty file, `unreadable`. The descriptor stays the caller's.
    init(descriptor: Int32) throws(PictureProblem) {
        var status = stat()
        guard fstat(descriptor, &status) == 0, let count = Int(exactly: status.st_size) else { throw .unreadable }
        guard count > 0 else { throw .unsupported }
        guard let start = mmap(nil, count, PROT_READ, MAP_PRIVATE, descriptor, 0), start != MAP_FAILED else {
            throw .unreadable
        }
        posix_madvise(start, count, POSIX_MADV_SEQUENTIAL)
        bytes = UnsafeRawBufferPointer(start: start, count: count)
    }

    deinit {
        munmap(UnsafeMutableRawPointer(mutating: bytes.baseAddress), bytes.count)
    }
}

/// Numbers in a file, none of them behind its end.
extension UnsafeRawBufferPointer {
    func byte(_ offset: Int) -> Int? {
        indices.contains(offset) ? Int(self[offset]) : nil
    }

    func number16(_ offset: Int, isLittle: Bool = false) -> Int? {
        guard offset >= 0, offset <= count - 2 else { return nil }
        let value = loadUnaligned(fromByteOffset: offset, as: UInt16.self)
        return Int(isLittle ? UInt16(littleEndian: value) : UInt16(bigEndian: value))
    }

    func number32(_ offset: Int, isLittle: Bool = false) -> Int? {
        guard offset >= 0, offset <= count - 4 else { return nil }
        let value = loadUnaligned(fromByteOffset: offset, as: UInt32.self)
        return Int(isLittle ? UInt32(littleEndian: value) : UInt32(bigEndian: value))
    }

    func hasBytes(_ text: String, at offset: Int) -> Bool {
        let wanted = text.utf8
        guard offset >= 0, offset <= count - wanted.count else { return false }
        return self[offset..<(offset + wanted.count)].elementsEqual(wanted)
    }
}
