import Blocking
import Foundation
import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import Storage

/// Sends stored files, or lets the nginx in front do it: ranges, conditional requests, names.
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
    /// Nil where no nginx in front can read the volumes.
    let accelRedirect: AccelRedirect?

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
            let range = ByteRange(header: header, size: open.size)
            if range != .unsatisfiable,
                let address = accelRedirect?.address(of: open.path, for: request, range: header)
            {
                headers[.accelRedirect] = address
                // nginx says it of every whole file by itself, and would say it twice.
                if range == .whole { headers[.acceptRanges] = nil }
                return Response(status: .ok, headers: headers)
            }
            switch range {
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
        let encoded = filename.addingPercentEncoding(withAllowedCharacters: .unreserved) ?? plain
        return "\(disposition.rawValue); filename=\"\(plain)\"; filename*=UTF-8''\(encoded)"
    }
}

extension CharacterSet {
    /// What stands for itself anywhere in a URL (RFC 3986, 2.3).
    static let unreserved = CharacterSet(
        charactersIn: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
    )
}
