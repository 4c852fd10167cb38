import Hummingbird
import Models
import NIOCore
import Storage

/// Takes the files of one multipart request from the connection to the spool, as they arrive.
///
/// Nothing has a name on the disk when it returns: an upload that is cut, refused or forgotten leaves nothing.
struct UploadReceiver: Sendable {
    let storage: LocalStorage
    let limits: UploadLimits

    /// Refuses what can be refused without the body.
    func admit(_ request: Request) throws {
        let length = try declaredBytes(of: request)
        if let length, length > limits.requestBytes {
            throw APIError.tooLarge(
                "request_too_large",
                "A request may have \(limits.requestBytes) bytes at most; this one has \(length). Send fewer files."
            )
        }
        _ = try storage.volume(for: length ?? 0)
    }

    /// The length a client announces; nil if it sends chunks.
    func declaredBytes(of request: Request) throws(APIError) -> Int64? {
        guard request.headers[.contentEncoding] == nil else {
            throw .unsupportedMedia("Send the files as they are, without Content-Encoding.")
        }
        return request.headers[.contentLength].flatMap { Int64($0) }
    }

    /// Reads the whole body.
    ///
    /// - Throws: `APIError` as soon as a limit is passed, whatever came before it: the request is refused as a whole.
    ///   A file that is only not acceptable by itself is no error; it stands among the rejected.
    func receive(_ request: Request, _ context: some ConnectedContext) async throws -> ReceivedUpload {
        var reader = try MultipartReader(contentType: request.headers[.contentType] ?? "")
        let promise = try BodyDigest(request.headers)
        let declared = try declaredBytes(of: request)
        var body = UploadBody(
            request,
            context,
            limit: limits.requestBytes,
            orThrow: .tooLarge("request_too_large", "A request may have \(limits.requestBytes) bytes at most."),
            minimumRate: limits.minimumRate,
            isHashed: !promise.expected.isEmpty
        )
        var upload = ReceivedUpload()
        var file: ArrivingFile?
        var files = 0
        var imagesBytes: Int64 = 0
        do {
            while let chunk = try await body.next() {
                reader.feed(chunk)
                while let event = try reader.next() {
                    switch event {
                    case .partBegan(let headers):
                        // A field without a file name is not a file; its bytes are passed over.
                        guard let name = headers.filename else { continue }
                        files += 1
                        guard files <= limits.files else { throw tooManyFiles }
                        file = ArrivingFile(
                            filename: try Filename(cleaning: name),
                            declaredType: headers.contentType,
                            length: .atMost(declared.map { $0 - body.bytes + Int64(chunk.readableBytes) }),
                            limits: limits,
                            storage: storage
                        )
                    case .bytes(let bytes):
                        try await file?.append(bytes)
                        if let file, file.kind == .image, imagesBytes + file.bytes > limits.imagesBytes {
                            throw tooManyImageBytes
                        }
                    case .partEnded:
                        switch try await file?.end() {
                        case .received(let file):
                            if file.kind == .image { imagesBytes += file.spooled.stored.bytes }
                            upload.files.append(file)
                        case .rejected(let file): upload.rejected.append(file)
                        case nil: break
                        }
                        file = nil
                    case .finished: break
                    }
                }
            }
            try reader.end()
            if let digest = body.digest { try promise.verify(digest) }
        } catch {
            await file?.discard()
            throw error
        }
        guard files > 0 else {
            throw APIError(
                status: .unprocessableContent,
                code: "no_files",
                detail: "The request holds no file. Send each file as a part with a file name."
            )
        }
        return upload
    }

    private var tooManyFiles: APIError {
        .tooLarge("too_many_files", "A request may have \(limits.files) files at most. Send the rest in another one.")
    }

    private var tooManyImageBytes: APIError {
        .tooLarge(
            "images_too_large",
            "All images of a request may have \(limits.imagesBytes) bytes at most. Send the rest in another one."
        )
    }
}
