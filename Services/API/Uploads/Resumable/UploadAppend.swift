import Database
import Hummingbird
import Models
import NIOCore
import Storage

/// The body of one request on its way to an upload's file.
struct UploadAppend {
    /// Each hand-over to the file costs a change of threads.
    private static let pieceBytes = 512 << 10
    /// Each waiting chunk keeps the buffer it was received in, however few bytes a client drips into it.
    private static let waitingChunks = 64

    private let hold: UploadHold
    private let limits: UploadLimits
    private var promise: BodyPromise?
    /// The first bytes of the file, until they say what it is.
    private var prefix: [UInt8] = []
    private var waiting: [ByteBufferView] = []
    private var waitingBytes = 0

    init(to hold: UploadHold, limits: UploadLimits, promise: BodyPromise? = nil) async throws {
        self.hold = hold
        self.limits = limits
        self.promise = promise
        if promise?.isMade == true { hold.holdBack() }
        guard hold.upload.role != .part, hold.content == nil else { return }
        prefix = try await hold.file.bytes(at: 0, count: ContentSniffer.prefixBytes)
    }

    /// Takes a whole body. One that is cut, or meets a full disk, keeps what has arrived, unless a checksum was promised
    /// for it.
    ///
    /// - Throws: `RefusedUpload` if what has arrived shows that the file is not stored; `file_too_large` if there is more
    ///   than the upload may have; `checksum_mismatch`, `digest_mismatch`; `StorageError.full`, before the body if its
    ///   length is known; whatever ended the connection.
    mutating func receive(_ request: Request, _ context: some ConnectedContext) async throws {
        let room = max(0, (hold.length ?? limits.fileBytes) - hold.offset)
        let declared = try request.headers.bytes(.contentLength, orThrow: "bad_length")
        guard declared ?? 0 <= room else { throw tooLong }
        try await hold.file.reserve(hold.length ?? declared.map { hold.offset + $0 })
        var body = UploadBody(request, context, limit: room, orThrow: tooLong, minimumRate: limits.minimumRate)
        do {
            while let chunk = try await next(&body) {
                promise?.update(chunk)
                try await append(chunk.readableBytesView)
            }
            try promise?.verify()
            try await flush()
        } catch let error as StorageError where error.kind == .full {
            if promise?.isMade != true { try await hold.save() }
            throw error
        }
    }

    /// Takes the next bytes of the file.
    mutating func append(_ chunk: ByteBufferView) async throws {
        waiting.append(chunk)
        waitingBytes += chunk.count
        if hold.upload.role != .part { try look(at: chunk) }
        if waitingBytes >= Self.pieceBytes || waiting.count >= Self.waitingChunks { try await flush() }
    }

    /// Hands what waits to the file.
    mutating func flush() async throws {
        guard waitingBytes > 0 else { return }
        try await hold.append(waiting, bytes: waitingBytes)
        waiting = []
        waitingBytes = 0
    }

    /// Says what a file is that ends here, however short it is.
    ///
    /// - Throws: `RefusedUpload`.
    func sniffWhole() throws {
        if hold.upload.role != .part, hold.content == nil { try sniff() }
    }

    private mutating func next(_ body: inout UploadBody) async throws -> ByteBuffer? {
        do {
            return try await body.next()
        } catch {
            // A body that is too long is refused; any other end of it is a cut.
            if (error as? APIError)?.status != .contentTooLarge, promise?.isMade != true {
                try await flush()
                try await hold.save()
            }
            throw error is APIError ? error : APIError.incomplete.because(error)
        }
    }

    private mutating func look(at chunk: ByteBufferView) throws {
        if hold.content == nil {
            prefix += chunk.prefix(ContentSniffer.prefixBytes - prefix.count)
            guard prefix.count >= ContentSniffer.prefixBytes else { return }
            try sniff()
            prefix = []
        }
        try requireWithinLimit()
    }

    private func sniff() throws {
        do {
            let name = try Filename(cleaning: hold.upload.filename.utf8)
            let content = try ContentSniffer.sniff(prefix, filename: name, declaredType: hold.upload.declaredType)
            hold.content = Upload.Content(kind: content.kind, type: content.contentType)
        } catch {
            throw RefusedUpload(reason: error)
        }
        try requireWithinLimit()
    }

    private func requireWithinLimit() throws(RefusedUpload) {
        guard let kind = hold.content?.kind else { return }
        let limit = limits.bytes(of: kind)
        guard max(hold.length ?? 0, hold.offset + Int64(waitingBytes)) > limit else { return }
        throw RefusedUpload(
            reason: APIError.tooLarge("file_too_large", "The file is too large: \(kind) files may have \(limit) bytes.")
        )
    }

    private var tooLong: APIError {
        guard let length = hold.length else {
            return .tooLarge("file_too_large", "A file may have \(limits.fileBytes) bytes at most.")
        }
        return .tooLarge("upload_too_long", "This upload was said to have \(length) bytes; the body has more.")
    }
}

/// What has arrived shows that the file cannot be stored: the upload is removed.
struct RefusedUpload: Error {
    /// What the client is told.
    let reason: any Error
}
