import HTTPTypes
import Hummingbird
import Models
import Storage

extension UploadReceiver {
    /// Refuses what can be refused without the one file a request consists of.
    func admitFile(_ request: Request) throws {
        let type = request.headers[.contentType] ?? ""
        guard !type.lowercased().hasPrefix("multipart/") else {
            throw APIError.unsupportedMedia("The body of a PUT is the file itself. Send multipart/form-data with POST.")
        }
        guard request.headers[.contentRange] == nil else {
            throw APIError.badRequest("partial_put", "A part of a file cannot be put. Use a resumable upload.")
        }
        let length = try declaredBytes(of: request)
        if let length, length > limits.fileBytes { throw fileTooLarge }
        _ = try storage.volume(for: length ?? 0)
    }

    /// Reads a body that is the file itself.
    ///
    /// - Throws: `APIError` as soon as a limit is passed or the first bytes show a file that is not stored.
    func receiveFile(
        named name: Filename,
        _ request: Request,
        _ context: some ConnectedContext
    ) async throws -> ReceivedFile {
        let promise = try BodyDigest(request.headers)
        var file = ArrivingFile(
            filename: name,
            declaredType: request.headers[.contentType]?.prefix { $0 != ";" && $0 != " " }.lowercased(),
            length: .exactly(try declaredBytes(of: request)),
            limits: limits,
            storage: storage
        )
        var body = UploadBody(
            request,
            context,
            limit: limits.fileBytes,
            orThrow: fileTooLarge,
            minimumRate: limits.minimumRate
        )
        do {
            while let chunk = try await body.next() {
                try await file.append(chunk)
                if let rejection = file.rejection { throw rejection }
            }
            let end = try await file.end()
            if let rejection = file.rejection { throw rejection }
            guard case .received(let received) = end else { throw APIError.unexpected }
            try promise.verify(received.spooled.stored.sha256)
            return received
        } catch {
            await file.discard()
            throw error
        }
    }

    private var fileTooLarge: APIError {
        .tooLarge("file_too_large", "A file may have \(limits.fileBytes) bytes at most.")
    }
}
