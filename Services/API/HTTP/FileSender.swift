import Blocking
import Foundation
import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import Storage

/// Sends stored files: ranges, conditional requests, names.
struct FileSender: Sendable {
    struct File: Sendable {
        /// Gives the absolute path; called where it may block.
        let locate: @Sendable () throws(StorageError) -> String
        let contentType: String
        /// Strong: two files with the same tag are the same bytes.
        let entityTag: String
        /// When its bytes were written; nil if that is not known.
        let modified: Date?
        let filename: String
        let disposition: Disposition
    }

    enum Disposition: String {
        case attachment
        case inline
    }

    /// One read from disk and one write to the connection.
    static let chunkBytes = 512 << 10

    let threads: BlockingThreads

    func send(_ file: File, to request: Request, _ context: UserContext) async throws -> Response {
        let open: OpenFile
        do {
            open = try await threads.run { try OpenFile(path: try file.locate()) }
        } catch {
            throw APIError.fileMissing.because(error)
        }
        var headers: HTTPFields = [
            .contentType: file.contentType,
            .eTag: "\"\(file.entityTag)\"",
            .acceptRanges: "bytes",
            .cacheControl: "private, no-cache",
            .contentDisposition: Self.disposition(file.disposition, filename: file.filename),
        ]
        if let modified = file.modified { headers[.lastModified] = HTTPDate.format(modified) }
        switch Precondition(request.headers, entityTag: file.entityTag, modified: file.modified) {
        case .failed:
            throw APIError.preconditionFailed
        case .notModified:
            headers[.contentType] = nil
            return Response(status: .notModified, headers: headers)
        case .passed(let rangeApplies):
            // A range means something for GET alone (RFC 9110, 14.2).
            let header = request.method == .get && rangeApplies ? request.headers[.range] : nil
            switch ByteRange(header: header, size: open.size) {
            case .unsatisfiable:
                throw APIError(
                    status: .rangeNotSatisfiable,
                    code: "range_not_satisfiable",
                    detail: "The file has \(open.size) bytes.",
                    headers: [.contentRange: "bytes */\(open.size)"]
                )
            case .whole:
                return Response(status: .ok, headers: headers, body: body(open, 0..<open.size, context.logger))
            case .part(let range):
                headers[.contentRange] = "bytes \(range.lowerBound)-\(range.upperBound - 1)/\(open.size)"
                return Response(status: .partialContent, headers: headers, body: body(open, range, context.logger))
            }
        }
    }

    private func body(_ file: OpenFile, _ range: Range<Int64>, _ logger: Logger) -> ResponseBody {
        ResponseBody(contentLength: Int(range.count)) { writer in
            var offset = range.lowerBound
            while offset < range.upperBound {
                let from = offset
                let count = Int(min(Int64(Self.chunkBytes), range.upperBound - offset))
                let chunk: ByteBuffer
                do throws(OpenFile.Problem) {
                    chunk = try await threads.run { () throws(OpenFile.Problem) in try file.read(count, at: from) }
                } catch {
                    // The head is out: breaking the connection is the only way left to say so.
                    logger.error("A stored file could not be read", metadata: ["errno": "\(error.number)"])
                    throw error
                }
                offset += Int64(chunk.readableBytes)
                try await writer.write(chunk)
            }
            try await writer.finish(nil)
        }
    }

    /// RFC 6266: an ASCII name for old clients and the true one.
    static func disposition(_ disposition: Disposition, filename: String) -> String {
        let plain = String(
            filename.unicodeScalars.map { scalar in
                scalar.isASCII && scalar.value >= 0x20 && scalar != "\"" && scalar != "\\" && scalar != "%"
                    ? Character(scalar) : "_"
            }
        )
        let unreserved = CharacterSet(
            charactersIn: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
        )
        let encoded = filename.addingPercentEncoding(withAllowedCharacters: unreserved) ?? plain
        return "\(disposition.rawValue); filename=\"\(plain)\"; filename*=UTF-8''\(encoded)"
    }
}

/// A file that is open for reading, and its size when it was opened. Stored files never change.
final class OpenFile: Sendable {
    struct Problem: Error {
        let number: Int32
    }

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
