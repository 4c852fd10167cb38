import HTTPTypes
import Hummingbird
import Models
import NIOCore
import Storage

/// Receives files that come in one request, and persists them with one commit: the parts of a form, or the one file a
/// PUT consists of.
///
/// Until then nothing has a name on the disk: an upload that is cut, refused or forgotten leaves nothing.
struct UploadController: Sendable {
    let storage: LocalStorage
    let limits: UploadLimits
    let items: ItemRepository
    let ingest: AssetIngest

    func toItem(_ request: Request, context: UserContext) async throws -> Response {
        try await uploadForm(request, to: try await item(context), context)
    }

    /// `POST /v1/documents`: procedures of the company itself.
    func toCompany(_ request: Request, context: UserContext) async throws -> Response {
        try await uploadForm(request, to: nil, context)
    }

    /// `PUT /v1/items/{id}/assets/{filename}`: the body is the file.
    func fileToItem(_ request: Request, context: UserContext) async throws -> Response {
        try await uploadFile(request, to: try await item(context), context)
    }

    /// `PUT /v1/documents/{filename}`: the body is the file.
    func fileToCompany(_ request: Request, context: UserContext) async throws -> Response {
        try await uploadFile(request, to: nil, context)
    }

    private func item(_ context: UserContext) async throws -> ItemID {
        let id = try context.id("item", of: Item.self)
        guard try await items.has(id, in: context.company) else { throw APIError.notFound("item") }
        return id
    }

    /// The length a client announces; nil if it sends chunks.
    private func declaredBytes(of request: Request) throws(APIError) -> Int64? {
        guard request.headers[.contentEncoding] == nil else {
            throw .unsupportedMedia("Send the files as they are, without Content-Encoding.")
        }
        return request.headers[.contentLength].flatMap { Int64($0) }
    }
}

// MARK: - Forms

extension UploadController {
    private struct Answer: Encodable {
        let assets: [AssetView]
        let rejected: [RejectedFile]
    }

    private func uploadForm(_ request: Request, to item: ItemID?, _ context: UserContext) async throws -> Response {
        let declared = try declaredBytes(of: request)
        // One video of the largest size beside all the images and documents, and what stands around them.
        let limit = limits.videoBytes + limits.imagesBytes + limits.documentBytes * 4 + (1 << 20)
        if let declared, declared > limit {
            throw APIError.requestTooLarge(limit, "; this one has \(declared). Send fewer files.")
        }
        // Each file picks its volume when it is known what it is; the body of a request no volume can take is not sent.
        _ = try await storage.volume(for: declared ?? 0)
        var reader = try MultipartReader(contentType: request.headers[.contentType] ?? "")
        var body = UploadBody(
            of: request,
            context,
            limit: limit,
            orThrow: .requestTooLarge(limit, "."),
            minimumRate: limits.minimumRate,
            expecting: try ExpectedDigest(ofWhole: request.headers)
        )
        var form = FormUpload(hasItem: item != nil, limits: limits, storage: storage)
        body.accept()
        do {
            while let chunk = try await body.next() {
                reader.feed(chunk)
                let left = declared.map { $0 - body.bytes + Int64(chunk.readableBytes) }
                while let event = try reader.next() { try await form.take(event, left: left) }
            }
            reader.end()
            while let event = try reader.next() { try await form.take(event, left: 0) }
            try body.verify()
        } catch {
            await form.discard()
            throw error
        }
        let accepted = try await ingest.accept(
            try form.received(),
            on: item,
            in: context.company,
            by: context.user.id
        )
        return try JSONBody.response(
            Answer(assets: accepted.map(\.view), rejected: form.rejected),
            status: .created
        )
    }
}

/// The files of a form while its parts come in.
///
/// A limit that is passed refuses the request as a whole, whatever came before. A file that is only not acceptable by
/// itself is no error; it stands among the rejected.
private struct FormUpload {
    let hasItem: Bool
    let limits: UploadLimits
    let storage: LocalStorage
    private(set) var rejected: [RejectedFile] = []
    /// Bytes of small files that are held rather than written each by itself.
    private static let mostHeldBytes: Int64 = 512 << 10

    private var accepted: [ReceivedFile] = []
    /// Of these, how many are written, and how many bytes of the others are held.
    private var written = 0
    private var heldBytes: Int64 = 0
    /// The one whose bytes are coming; nil between files, and while bytes are passed over.
    private var current: IncomingFile?
    /// A part whose file has no name, and no bytes yet: a browser sends one for an input in which nothing was chosen.
    private var unnamed: MultipartHeaders?
    private var files = 0
    private var imagesBytes: Int64 = 0

    init(hasItem: Bool, limits: UploadLimits, storage: LocalStorage) {
        self.hasItem = hasItem
        self.limits = limits
        self.storage = storage
    }

    /// Takes what comes next in a body of which so many bytes are left; nil if that is not known.
    mutating func take(_ event: MultipartReader.Event, left: Int64?) async throws {
        do {
            switch event {
            case .partBegan(let headers): try begin(headers, left: left)
            case .bytes(let bytes):
                if let part = unnamed {
                    unnamed = nil
                    try open(part, named: [], left: left)
                }
                try await current?.append(bytes)
                if let current, current.kind == .image, imagesBytes + current.bytes > limits.imagesBytes {
                    throw APIError.imagesTooLarge(limits.imagesBytes)
                }
            case .partEnded:
                if let file = try await current?.finish() {
                    if file.content.kind == .image { imagesBytes += file.file.bytes }
                    try await add(file)
                }
                current = nil
                unnamed = nil
            case .finished: break
            }
        } catch let rejection as ContentRejection {
            if let current { rejected.append(current.rejected(because: rejection)) }
            current = nil
        }
    }

    func discard() async {
        await current?.discard()
        await storage.discard(accepted.map(\.file))
    }

    private mutating func add(_ file: ReceivedFile) async throws {
        accepted.append(file)
        if case .held = file.file { heldBytes += file.file.bytes }
        guard heldBytes > Self.mostHeldBytes else { return }
        for (index, file) in zip(written..., try await storage.write(accepted[written...].map(\.file))) {
            accepted[index].file = file
        }
        (written, heldBytes) = (accepted.count, 0)
    }

    /// The files to become assets. Throws `no_files`, `no_file_accepted`.
    func received() throws(APIError) -> [ReceivedFile] {
        guard files > 0 else { throw .noFiles }
        guard !accepted.isEmpty else { throw .noFileAccepted(rejected) }
        return accepted
    }

    private mutating func begin(_ part: MultipartHeaders, left: Int64?) throws(APIError) {
        // A field without a file name is not a file; its bytes are passed over.
        guard let name = part.filename else { return }
        if name.isEmpty { unnamed = part } else { try open(part, named: name, left: left) }
    }

    private mutating func open(_ part: MultipartHeaders, named name: [UInt8], left: Int64?) throws(APIError) {
        files += 1
        guard files <= limits.files else { throw .tooManyFiles(limits.files) }
        do throws(ContentRejection) {
            current = IncomingFile(
                named: try Filename(cleaning: name),
                declaredType: part.contentType,
                hasItem: hasItem,
                length: .atMost(left),
                limits: limits,
                storage: storage
            )
        } catch {
            rejected.append(RejectedFile(Filename(showing: name), declaredType: part.contentType, because: error))
        }
    }
}

// MARK: - One file

extension UploadController {
    private func uploadFile(_ request: Request, to item: ItemID?, _ context: UserContext) async throws -> Response {
        let name = try Filename(percentEncoded: context.parameters.get("filename") ?? "")
        let declaredType = request.headers.mediaType
        guard declaredType?.hasPrefix("multipart/") != true else {
            throw APIError.unsupportedMedia("The body of a PUT is the file itself. Send multipart/form-data with POST.")
        }
        guard request.headers[.contentRange] == nil else {
            throw APIError.badRequest("partial_put", "A part of a file cannot be put. Use a resumable upload.")
        }
        let declared = try declaredBytes(of: request)
        try limits.requireFile(of: declared)
        if item == nil { try ContentSniffer.requireItem(for: name, declaredType: declaredType) }
        // The file picks its volume when it is known what it is; a long body no volume can take is not sent.
        if declared.map({ $0 >= IncomingFile.pieceBytes }) ?? true { _ = try await storage.volume(for: declared ?? 0) }
        let expected = try ExpectedDigest(ofWhole: request.headers)
        var file = IncomingFile(
            named: name,
            declaredType: declaredType,
            hasItem: item != nil,
            length: .exactly(declared),
            limits: limits,
            storage: storage
        )
        var body = UploadBody(
            of: request,
            context,
            limit: limits.fileBytes,
            orThrow: limits.fileTooLarge,
            minimumRate: limits.minimumRate
        )
        let received: ReceivedFile
        body.accept()
        do {
            while let chunk = try await body.next() { try await file.append(chunk) }
            received = try await file.finish()
        } catch {
            await file.discard()
            throw error
        }
        do {
            // The file has been summed already.
            if expected.coversBody {
                guard let digest = received.file.sha256 else { throw APIError.unexpected }
                try expected.verify(body: digest)
            }
        } catch {
            await storage.discard([received.file])
            throw error
        }
        let accepted = try await ingest.accept(received, on: item, in: context.company, by: context.user.id)
        var response = try JSONBody.response(accepted.view, status: accepted.isDuplicate ? .ok : .created)
        if !accepted.isDuplicate { response.headers[.location] = "/v1/assets/\(accepted.asset.id)" }
        return response
    }
}

extension APIError {
    fileprivate static func requestTooLarge(_ limit: Int64, _ end: String) -> APIError {
        .tooLarge("request_too_large", "A request may have \(limit) bytes at most\(end)")
    }

    fileprivate static func tooManyFiles(_ limit: Int) -> APIError {
        .tooLarge("too_many_files", "A request may have \(limit) files at most. Send the rest in another one.")
    }

    fileprivate static func imagesTooLarge(_ limit: Int64) -> APIError {
        .tooLarge(
            "images_too_large",
            "All images of a request may have \(limit) bytes at most. Send the rest in another one."
        )
    }

    fileprivate static let noFiles = APIError(
        status: .unprocessableContent,
        code: "no_files",
        detail: "The request holds no file. Send each file as a part with a file name."
    )

    fileprivate static func noFileAccepted(_ rejected: [RejectedFile]) -> APIError {
        APIError(
            status: .unprocessableContent,
            code: "no_file_accepted",
            detail: "None of the files can be stored; “rejected” says why for each.",
            rejected: rejected
        )
    }
}
