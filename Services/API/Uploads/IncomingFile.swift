import FaultPoints
import Models
import NIOCore
import Storage

/// The bytes of one asset on their way to the disk, whichever way they come: in a form, as the body of a PUT, or in the
/// requests of a resumable upload.
///
/// The first of them say what the file is; from then on it is held to the limit of its kind.
struct IncomingFile {
    /// What a client says of a file's length before its bytes; nil if that is nothing.
    enum Length {
        /// The body is the file.
        case exactly(Int64?)
        /// The file is part of a body of which so much is left.
        case atMost(Int64?)
    }

    private enum Destination {
        /// A file of the spool; it is opened when its kind, and so its largest size, is known.
        case unopened(LocalStorage, Length)
        case spool(UploadFile)
        case upload(UploadLease)
    }

    /// Each hand-over to the file costs a change of threads.
    private static let pieceBytes = 256 << 10
    /// Each waiting chunk keeps the buffer it was received in, however few bytes a client drips into it.
    private static let waitingChunks = 64

    private let filename: Filename
    private let declaredType: String?
    private let limits: UploadLimits
    /// Bytes the client says it has; 0 if it does not say.
    private let declaredBytes: Int64
    /// Whether it becomes an asset by itself; a part of a tus upload may begin with anything.
    private let isSniffed: Bool
    private var destination: Destination
    private var content: Asset.Content?
    /// The first bytes, until they say what it is.
    private var prefix: [UInt8] = []
    private var waiting: [ByteBufferView] = []
    private var waitingBytes = 0

    private(set) var bytes: Int64

    /// A file that comes in one request.
    ///
    /// - Parameters:
    ///   - filename: Its name.
    ///   - declaredType: The media type the client claims, in lower case.
    ///   - length: What is known of its length.
    ///   - limits: What it may have.
    ///   - storage: Where it goes.
    init(
        named filename: Filename,
        declaredType: String?,
        length: Length,
        limits: UploadLimits,
        storage: LocalStorage
    ) {
        self.filename = filename
        self.declaredType = declaredType
        self.limits = limits
        if case .exactly(let bytes?) = length { declaredBytes = bytes } else { declaredBytes = 0 }
        isSniffed = true
        destination = .unopened(storage, length)
        bytes = 0
    }

    /// What is still to come of a resumable upload.
    ///
    /// - Throws: `StorageError`.
    init(continuing upload: UploadLease, limits: UploadLimits) async throws {
        filename = Filename(label: upload.upload.filename)
        declaredType = upload.upload.declaredType
        self.limits = limits
        declaredBytes = upload.length ?? 0
        isSniffed = upload.upload.role != .part
        destination = .upload(upload)
        content = upload.content
        bytes = upload.offset
        if isSniffed, content == nil { prefix = try await upload.file.bytes(at: 0, count: ContentSniffer.prefixBytes) }
    }

    /// What its bytes say it is; nil until enough of them are here.
    var kind: Asset.Kind? { content?.kind }

    /// Takes the next bytes.
    ///
    /// - Throws: `ContentRejection` and `file_too_large`, after which nothing more may be appended; `StorageError`.
    mutating func append(_ chunk: ByteBuffer) async throws {
        let view = chunk.readableBytesView
        bytes += Int64(view.count)
        waiting.append(view)
        waitingBytes += view.count
        if isSniffed, content == nil {
            prefix += view.prefix(ContentSniffer.prefixBytes - prefix.count)
            if prefix.count >= ContentSniffer.prefixBytes { try await sniff() }
        }
        try requireWithinLimit()
        if waitingBytes >= Self.pieceBytes || waiting.count >= Self.waitingChunks { try await flush() }
    }

    /// Hands what waits to the file, once there is one.
    mutating func flush() async throws {
        guard waitingBytes > 0 else { return }
        switch destination {
        case .unopened: return
        case .spool(let file):
            try await file.append(pieces: waiting)
            FaultPoint.apiBody.reach()
        case .upload(let upload): try await upload.append(waiting, bytes: waitingBytes)
        }
        waiting = []
        waitingBytes = 0
    }

    /// Says that the file ends here, however short it is: everything is handed to it.
    ///
    /// - Throws: As `append`.
    mutating func end() async throws {
        if isSniffed, content == nil { try await sniff() }
        try await flush()
    }

    /// Ends a file that comes in one request.
    ///
    /// - Throws: As `append`.
    mutating func finish() async throws -> ReceivedFile {
        try await end()
        guard let content, case .spool(let file) = destination else { throw APIError.unexpected }
        return ReceivedFile(named: filename, content, try await file.finish())
    }

    /// Gives the space of a file that comes in one request back at once.
    func discard() async {
        if case .spool(let file) = destination { await file.close() }
    }

    /// What its client is told if the request goes on without it.
    func rejected(because rejection: ContentRejection) -> RejectedFile {
        RejectedFile(
            filename: filename.label(for: declaredType ?? ""),
            code: rejection.code.rawValue,
            detail: rejection.detail
        )
    }

    private mutating func sniff() async throws {
        let content = try ContentSniffer.sniff(prefix, filename: filename, declaredType: declaredType)
        self.content = content
        prefix = []
        try requireWithinLimit()
        switch destination {
        case .unopened(let storage, let length):
            let file = try await storage.makeUpload(
                expecting: length.reserved(for: content.kind),
                upTo: min(length.most ?? .max, limits.bytes(of: content.kind))
            )
            destination = .spool(file)
        case .spool: break
        case .upload(let upload): upload.content = content
        }
    }

    private func requireWithinLimit() throws(APIError) {
        guard let kind, max(bytes, declaredBytes) > limits.bytes(of: kind) else { return }
        throw limits.fileTooLarge(kind, named: filename.label(for: ""))
    }
}

extension IncomingFile.Length {
    /// Bytes to take room for now. A video is usually all that is left of its request; pictures come in numbers, and each
    /// would take the room of those behind it.
    fileprivate func reserved(for kind: Asset.Kind) -> Int64? {
        switch self {
        case .exactly(let bytes): bytes
        case .atMost(let bytes): kind == .video ? bytes : nil
        }
    }

    /// Bytes it cannot exceed; nil if the client has not said anything.
    fileprivate var most: Int64? {
        switch self {
        case .exactly(let bytes), .atMost(let bytes): bytes
        }
    }
}

extension UploadLimits {
    /// Bytes of the largest file there may be.
    var fileBytes: Int64 { max(imageBytes, documentBytes, videoBytes) }

    fileprivate func bytes(of kind: Asset.Kind) -> Int64 {
        switch kind {
        case .image: imageBytes
        case .document: documentBytes
        case .video: videoBytes
        }
    }

    /// Refuses a length that is declared before it is known what the file is.
    ///
    /// - Throws: `file_too_large`.
    func requireFile(of declaredBytes: Int64?) throws(APIError) {
        guard let declaredBytes, declaredBytes > fileBytes else { return }
        throw fileTooLarge
    }

    /// The refusal of a file of which nothing is known but that it has too many bytes.
    var fileTooLarge: APIError { Self.fileTooLarge("A file", fileBytes) }

    fileprivate func fileTooLarge(_ kind: Asset.Kind, named name: String) -> APIError {
        let sort =
            switch kind {
            case .image: "an image"
            case .video: "a video"
            case .document: "a document"
            }
        return Self.fileTooLarge("“\(name)” is too large: \(sort)", bytes(of: kind))
    }

    private static func fileTooLarge(_ subject: String, _ limit: Int64) -> APIError {
        .tooLarge("file_too_large", "\(subject) may have \(limit) bytes at most.")
    }
}

/// A file of a request that was not taken, and why.
struct RejectedFile: Encodable, Sendable {
    let filename: String
    let code: String
    let detail: String
}
