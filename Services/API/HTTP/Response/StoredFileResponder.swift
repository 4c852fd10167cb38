import Blocking
import Foundation
import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import Storage

/// Answers with stored files, or lets the nginx in front send them: ranges, conditional requests, names.
struct StoredFileResponder: Sendable {
    struct File: Sendable {
        /// Gives the absolute path; may block.
        let locate: @Sendable () throws(StorageError) -> String
        let contentType: String
        let entityTag: EntityTag
        /// When its bytes were written; nil if that is not known.
        let modified: Date?
        let filename: String
        let disposition: Disposition
        /// `Content-Security-Policy`; nil for what we have made ourselves.
        var policy: String?
    }

    enum Disposition: String {
        case attachment
        case inline
    }

    /// One read from disk and one write to the connection, in bytes.
    private static let chunkBytes = 512 << 10

    let threads: BlockingThreads
    /// Nil where no nginx in front can read the volumes.
    let accelRedirect: AccelRedirect?

    /// - Throws: `file_missing`, `precondition_failed`, `range_not_satisfiable`.
    func respond(with file: File, to request: Request, _ context: UserContext) async throws -> Response {
        let open: FileReader
        do {
            open = try await threads.run { () throws(StorageError) in try FileReader(path: try file.locate()) }
        } catch {
            throw APIError.fileMissing.because(error)
        }
        var headers: HTTPFields = [
            .contentType: file.contentType,
            .eTag: file.entityTag.header,
            .acceptRanges: "bytes",
            .cacheControl: "private, no-cache",
            .contentDisposition: Self.contentDisposition(file.disposition, filename: file.filename),
        ]
        headers[.contentSecurityPolicy] = file.policy
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
            let range = ByteRange(header: header, size: open.size)
            if range != .unsatisfiable,
                let address = accelRedirect?.address(of: open.path, for: request, range: header)
            {
                headers[.accelRedirect] = address
                // nginx adds this header to every whole file itself; it would be there twice.
                if range == .whole { headers[.acceptRanges] = nil }
                return Response(status: .ok, headers: headers)
            }
            switch range {
            case .unsatisfiable: throw APIError.rangeNotSatisfiable(open.size)
            case .whole:
                return Response(status: .ok, headers: headers, body: body(open, 0..<open.size, context.logger))
            case .part(let range):
                headers[.contentRange] = "bytes \(range.lowerBound)-\(range.upperBound - 1)/\(open.size)"
                return Response(status: .partialContent, headers: headers, body: body(open, range, context.logger))
            }
        }
    }

    private func body(_ file: FileReader, _ range: Range<Int64>, _ logger: Logger) -> ResponseBody {
        ResponseBody(contentLength: Int(range.count)) { writer in
            var offset = range.lowerBound
            while offset < range.upperBound {
                let from = offset
                let count = Int(min(Int64(Self.chunkBytes), range.upperBound - offset))
                let chunk: ByteBuffer
                do {
                    chunk = try await threads.run { () throws(StorageError) in
                        try Self.chunk(of: file, count, at: from)
                    }
                } catch {
                    // The head is out: breaking the connection is the only way left to say so.
                    logger.error("A stored file could not be read", metadata: ["error": "\(error)"])
                    throw error
                }
                offset += Int64(chunk.readableBytes)
                try await writer.write(chunk)
            }
            try await writer.finish(nil)
        }
    }

    private static func chunk(of file: FileReader, _ count: Int, at offset: Int64) throws(StorageError) -> ByteBuffer {
        var buffer = ByteBufferAllocator().buffer(capacity: count)
        let result: Result<Void, StorageError> = buffer.withUnsafeMutableWritableBytes { space in
            let space = UnsafeMutableRawBufferPointer(rebasing: space[..<count])
            return Result { () throws(StorageError) in try file.read(into: space, at: offset) }
        }
        try result.get()
        buffer.moveWriterIndex(forwardBy: count)
        return buffer
    }

    /// RFC 6266: an ASCII name for old clients and the true one.
    static func contentDisposition(_ disposition: Disposition, filename: String) -> String {
        let plain = String(
            filename.unicodeScalars.map { scalar in
                scalar.isASCII && scalar.value >= 0x20 && scalar != "\"" && scalar != "\\" && scalar != "%"
                    ? Character(scalar) : "_"
            }
        )
        let encoded = filename.addingPercentEncoding(withAllowedCharacters: .unreserved) ?? plain
        return "\(disposition.rawValue); filename=\"\(plain)\"; filename*=UTF-8''\(encoded)"
    }
}

/// Hands files over to the nginx in front: their bytes do not pass through this process.
///
/// nginx keeps the header to itself and lets nobody else request its location. Requests that nginx would answer
/// differently are not handed over, so that a client cannot tell who has sent the file.
struct AccelRedirect: Sendable {
    /// Where nginx has the volumes, each below its name; see `deploy/nginx/nginx.conf`.
    private static let location = "/volumes"

    private static let pathCharacters = CharacterSet.unreserved.union(["/"])

    private let roots: [(name: String, path: String)]

    init(to volumes: [Volume]) {
        self.init(roots: volumes.map { ($0.name, $0.root) })
    }

    /// Takes the volumes' directories as they are here; nginx may have them elsewhere.
    init(roots: [(name: String, path: String)]) {
        // Roots may be nested: the longest that matches is the file's.
        self.roots = roots.sorted { $0.path.count > $1.path.count }
    }

    /// The header's value; nil if this process is to send the file itself. `path` is absolute, on a volume; `range` is
    /// the request's `Range`, if that applies.
    func address(of path: String, for request: Request, range: String?) -> String? {
        let headers = request.headers
        guard request.method == .get, headers[.accelFailed] == nil, Self.isReadAlike(range),
            // nginx does not know the tag when it looks at these.
            headers[.ifMatch] == nil, headers[.ifUnmodifiedSince] == nil,
            let root = roots.first(where: { path.hasPrefix("\($0.path)/") })
        else { return nil }
        let below = path.dropFirst(root.path.count)
        return "\(Self.location)/\(root.name)\(below)".addingPercentEncoding(withAllowedCharacters: Self.pathCharacters)
    }

    /// nginx refuses malformed ranges, which are to be ignored, and numbers larger than any file.
    private static func isReadAlike(_ range: String?) -> Bool {
        range?.wholeMatch(of: /(?i:bytes)=([0-9]{1,18}-[0-9]{0,18}|-[0-9]{1,18})/) != nil || range == nil
    }
}

extension HTTPField.Name {
    static let accelRedirect = known("X-Accel-Redirect")
    static let accelFailed = known("X-Accel-Failed")
}

extension CharacterSet {
    /// Unreserved characters (RFC 3986, 2.3).
    fileprivate static let unreserved = CharacterSet(
        charactersIn: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
    )
}
