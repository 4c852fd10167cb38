import FaultPoints
import Models
import NIOCore
import Storage

/// The bytes of one asset on their way to the disk, whichever way they come: in a form, as the body of a PUT, or in the
/// requests of a resumable upload.
///
/// The first of them say what the file is; from then on it is held to the limit of its kind. They are summed up where
/// they are written, by `RunningSums`.
struct IncomingFile {
    /// What a client says of a file's length before its bytes; nil if that is nothing.
    enum Length {
        /// The body is the file.
        case exactly(Int64?)
        /// The file is part of a body of which this many bytes are left.
        case atMost(Int64?)
    }

    private enum Destination {
        /// A file of the spool, opened when its kind, and so its size limit, is known and its bytes are too many to be held.
        case unopened(LocalStorage, Length)
        case spool(UploadFile)
        case upload(UploadLease)
    }

    /// Each hand-over to the file costs a change of threads. A file of fewer bytes is held until it gets its place.
    static let pieceBytes = 256 << 10
    /// Each waiting chunk keeps the buffer it was received in, however few bytes a client drips into it.
    private static let waitingChunks = 64

    private let filename: Filename
    private let declaredType: String?
    private let limits: UploadLimits
    /// Bytes the client says it has; 0 if it does not say.
    private let declaredBytes: Int64
    /// Whether it becomes an asset by itself; a part of a tus upload may begin with anything.
    private let isSniffed: Bool
    /// Whether it is about an item, as every picture and video must be.
    private let hasItem: Bool
    private var destination: Destination
    private var content: Asset.Content?
    /// The first bytes, until they tell the content type.
    private var prefix: [UInt8] = []
    private var waiting: [ByteBufferView] = []
    private var waitingBytes = 0

    private(set) var bytes: Int64

    /// A file that comes in one request. `declaredType` is the media type the client claims, in lower case.
    init(
        named filename: Filename,
        declaredType: String?,
        hasItem: Bool,
        length: Length,
        limits: UploadLimits,
        storage: LocalStorage
    ) {
        self.filename = filename
        self.declaredType = declaredType
        self.hasItem = hasItem
        self.limits = limits
        if case .exactly(let bytes?) = length { declaredBytes = bytes } else { declaredBytes = 0 }
        isSniffed = true
        destination = .unopened(storage, length)
        bytes = 0
    }

    /// The rest of a resumable upload.
    init(continuing upload: UploadLease, limits: UploadLimits) async throws {
        filename = Filename(label: upload.upload.filename)
        declaredType = upload.upload.declaredType
        hasItem = upload.upload.item != nil
        self.limits = limits
        declaredBytes = upload.length ?? 0
        isSniffed = upload.upload.role != .part
        destination = .upload(upload)
        content = upload.content
        bytes = upload.offset
        if isSniffed, content == nil { prefix = try await upload.file.bytes(at: 0, count: ContentSniffer.prefixBytes) }
    }

    /// Nil until enough bytes are here to tell.
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
            if prefix.count >= ContentSniffer.prefixBytes { try sniff() }
        }
        try requireWithinLimit()
        if waitingBytes >= Self.pieceBytes || waiting.count >= Self.waitingChunks { try await flush() }
    }

    /// Writes what is buffered to the file, unless nobody knows yet what it is.
    mutating func flush() async throws {
        guard waitingBytes > 0 else { return }
        if case .unopened(let storage, let length) = destination {
            guard let kind else { return }
            let file = try await storage.makeUpload(
                expecting: length.expected(of: kind),
                upTo: min(length.most ?? .max, limits.bytes(of: kind))
            )
            destination = .spool(file)
        }
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

    /// Ends a part of a resumable upload, however short it is, and writes everything buffered. Throws as `append`.
    mutating func end() async throws {
        if isSniffed, content == nil { try sniff() }
        try await flush()
    }

    /// Ends a file that comes in one request, however short it is. Throws as `append`.
    mutating func finish() async throws -> ReceivedFile {
        if content == nil { try sniff() }
        guard let content else { throw APIError.unexpected }
        guard case .spool(let file) = destination else {
            FaultPoint.apiBody.reach()
            var held: [UInt8] = []
            held.reserveCapacity(waitingBytes)
            for piece in waiting { held += piece }
            return ReceivedFile(named: filename, content, .held(held))
        }
        try await flush()
        return ReceivedFile(named: filename, content, .written(try await file.finish()))
    }

    /// Frees the space of a file that comes in one request, at once.
    func discard() async {
        if case .spool(let file) = destination { await file.close() }
    }

    /// What the client is told if the request continues without this file.
    func rejected(because rejection: ContentRejection) -> RejectedFile {
        RejectedFile(filename, declaredType: declaredType, because: rejection)
    }

    private mutating func sniff() throws {
        let content = try ContentSniffer.sniff(
            prefix,
            filename: filename,
            declaredType: declaredType,
            hasItem: hasItem
        )
        try limits.documentTypes?.require(content, named: filename)
        self.content = content
        prefix = []
        try requireWithinLimit()
        if case .upload(let upload) = destination { upload.content = content }
    }

    private func requireWithinLimit() throws(APIError) {
        guard let kind, max(bytes, declaredBytes) > limits.bytes(of: kind) else { return }
        throw limits.fileTooLarge(kind, named: filename.label(for: ""))
    }
}

extension IncomingFile.Length {
    /// Bytes there has to be room for now. A video is usually all that is left of its request; pictures come in numbers,
    /// and each would ask for the room of those behind it.
    fileprivate func expected(of kind: Asset.Kind) -> Int64? {
        switch self {
        case .exactly(let bytes): bytes
        case .atMost(let bytes): kind == .video ? bytes : nil
        }
    }

    /// Bytes it cannot exceed; nil if the client has declared nothing.
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

    /// Refuses a declared length before the file's kind is known. Throws `file_too_large`.
    func requireFile(of declaredBytes: Int64?) throws(APIError) {
        guard let declaredBytes, declaredBytes > fileBytes else { return }
        throw fileTooLarge
    }

    /// The refusal of a file that is too large, whatever its kind.
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

    init(_ name: Filename, declaredType: String?, because rejection: ContentRejection) {
        filename = name.label(for: declaredType ?? "")
        code = rejection.code.rawValue
        detail = rejection.detail
    }
}
