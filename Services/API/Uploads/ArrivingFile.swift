import FaultPoints
import Models
import NIOCore
import Storage

/// One file on its way to the spool.
struct ArrivingFile {
    /// What a client says of its length before its bytes; nil if that is nothing.
    enum Length {
        /// The body is the file.
        case exactly(Int64?)
        /// The file is part of a body of which so much is left.
        case atMost(Int64?)
    }

    /// What came of it.
    enum End {
        case received(ReceivedFile)
        case rejected(RejectedFile)
    }

    /// Each hand-over to the spool costs a change of threads.
    private static let pieceBytes = 256 << 10
    /// Each waiting chunk keeps the buffer it was received in, however few bytes a client drips into it.
    private static let waitingChunks = 64

    private enum State {
        /// Its first bytes are being collected.
        case unknown
        case accepted(SniffedContent, UploadFile)
        case rejected(ContentRejection)
    }

    private let filename: Filename
    private let declaredType: String?
    private let length: Length
    private let limits: UploadLimits
    private let storage: LocalStorage
    private var state = State.unknown
    private var waiting: [ByteBufferView] = []
    private var waitingBytes = 0

    /// How many bytes it has so far.
    private(set) var bytes: Int64 = 0

    /// - Parameters:
    ///   - filename: Its name.
    ///   - declaredType: The media type the client claims, in lower case.
    ///   - length: What is known of its length.
    ///   - limits: What it may have.
    ///   - storage: Where it goes.
    init(
        filename: Filename,
        declaredType: String?,
        length: Length,
        limits: UploadLimits,
        storage: LocalStorage
    ) {
        self.filename = filename
        self.declaredType = declaredType
        self.length = length
        self.limits = limits
        self.storage = storage
    }

    /// What its bytes say it is; nil until enough of them are here.
    var kind: Asset.Kind? {
        if case .accepted(let content, _) = state { content.kind } else { nil }
    }

    /// Why it is not stored; nil if it is, or if that is not known yet.
    var rejection: ContentRejection? {
        if case .rejected(let rejection) = state { rejection } else { nil }
    }

    /// Takes the next bytes.
    ///
    /// - Throws: `file_too_large`; `StorageError`.
    mutating func append(_ chunk: ByteBuffer) async throws {
        bytes += Int64(chunk.readableBytes)
        if case .rejected = state { return }
        waiting.append(chunk.readableBytesView)
        waitingBytes += chunk.readableBytes
        if case .unknown = state {
            guard waitingBytes >= ContentSniffer.prefixBytes else { return }
            try await sniff()
        }
        if let kind { try requireWithinLimit(kind, bytes) }
        if waitingBytes >= Self.pieceBytes || waiting.count >= Self.waitingChunks { try await spoolWaiting() }
    }

    /// Ends the file.
    mutating func end() async throws -> End {
        if case .unknown = state {
            try await sniff()
            if let kind { try requireWithinLimit(kind, bytes) }
        }
        switch state {
        case .accepted(let content, let spool):
            try await spoolWaiting()
            let spooled = try await spool.finish()
            return .received(
                ReceivedFile(
                    kind: content.kind,
                    filename: filename.label(for: content.contentType),
                    contentType: content.contentType,
                    spooled: spooled
                )
            )
        case .rejected(let rejection):
            return .rejected(
                RejectedFile(
                    filename: filename.label(for: declaredType ?? ""),
                    code: rejection.code.rawValue,
                    detail: rejection.detail
                )
            )
        case .unknown: throw APIError.unexpected
        }
    }

    /// Gives its space back at once.
    func discard() async {
        if case .accepted(_, let spool) = state { await spool.close() }
    }

    private mutating func sniff() async throws {
        do {
            var prefix: [UInt8] = []
            for chunk in waiting { prefix += chunk.prefix(ContentSniffer.prefixBytes - prefix.count) }
            let content = try ContentSniffer.sniff(prefix, filename: filename, declaredType: declaredType)
            if case .exactly(let bytes?) = length { try requireWithinLimit(content.kind, bytes) }
            let spool = try await storage.makeUpload(
                expecting: length.expected(of: content.kind),
                upTo: min(length.most ?? .max, limits.bytes(of: content.kind))
            )
            state = .accepted(content, spool)
        } catch let rejection as ContentRejection {
            state = .rejected(rejection)
            waiting = []
            waitingBytes = 0
        }
    }

    private func requireWithinLimit(_ kind: Asset.Kind, _ bytes: Int64) throws(APIError) {
        guard bytes > limits.bytes(of: kind) else { return }
        throw .tooLarge(
            "file_too_large",
            "“\(filename.label(for: ""))” is too large: \(kind.article) may have \(limits.bytes(of: kind)) bytes at most."
        )
    }

    private mutating func spoolWaiting() async throws {
        guard case .accepted(_, let spool) = state, waitingBytes > 0 else { return }
        try await spool.append(pieces: waiting)
        FaultPoint.apiBody.reach()
        waiting = []
        waitingBytes = 0
    }
}

extension Asset.Kind {
    fileprivate var article: String {
        switch self {
        case .image: "an image"
        case .video: "a film"
        case .document: "a document"
        }
    }
}

extension ArrivingFile.Length {
    /// Bytes to take room for now. A film is usually all that is left of its request; pictures come in numbers, and each
    /// would take the room of those behind it.
    fileprivate func expected(of kind: Asset.Kind) -> Int64? {
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
