import Foundation
import NIOCore

/// A file that is open for reading, and its size when it was opened. Stored files never change.
final class OpenFile: Sendable {
    struct Problem: Error {
        let number: Int32
    }

    let path: String
    let size: Int64
    private let descriptor: Int32

    init(path: String) throws(Problem) {
        let descriptor = Foundation.open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard descriptor >= 0 else { throw Problem(number: errno) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            let number = errno
            close(descriptor)
            throw Problem(number: number)
        }
        self.descriptor = descriptor
        self.path = path
        size = Int64(status.st_size)
    }

    deinit { close(descriptor) }

    /// Reads exactly that many bytes; a file that ends earlier than it did is an error.
    func read(_ count: Int, at offset: Int64) throws(Problem) -> ByteBuffer {
        var buffer = ByteBufferAllocator().buffer(capacity: count)
        while buffer.readableBytes < count {
            let missing = count - buffer.readableBytes
            let place = off_t(offset) + off_t(buffer.readableBytes)
            var number: Int32 = 0
            let got = buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: missing) { space in
                let got = pread(descriptor, space.baseAddress, missing, place)
                if got <= 0 { number = got == 0 ? EIO : errno }
                return max(0, got)
            }
            guard got > 0 || number == EINTR else { throw Problem(number: number) }
        }
        return buffer
    }
}
