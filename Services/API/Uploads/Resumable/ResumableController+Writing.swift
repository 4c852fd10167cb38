import Database
import Foundation
import HTTPTypes
import Hummingbird
import Models
import Storage

extension ResumableController {
    /// Refuses what can be refused before anything is made.
    ///
    /// - Parameters:
    ///   - new: What is begun.
    ///   - bytes: How many it is sure to have; nil if that is not known.
    ///   - request: The request.
    ///   - context: Of the request.
    /// - Throws: `unsupported_media_type`, `file_too_large`, `not_found`.
    func admit(_ new: NewUpload, bytes: Int64?, _ request: Request, _ context: UserContext) async throws {
        guard request.headers[.contentEncoding] == nil else {
            throw APIError.unsupportedMedia("Send the file as it is, without Content-Encoding.")
        }
        guard bytes ?? 0 <= limits.fileBytes else {
            throw APIError.tooLarge("file_too_large", "A file may have \(limits.fileBytes) bytes at most.")
        }
        if let item = new.item, try await items.find(item, in: context.company) == nil {
            throw APIError.notFound("item")
        }
    }

    /// Compares what a request to go on says with how the upload stands.
    func declare(_ hold: UploadHold, _ offset: Int64, _ request: Request, _ dialect: UploadDialect) throws {
        guard hold.upload.role != .final else { throw APIError.finalUpload }
        guard offset == hold.offset else { throw dialect.mismatch(UploadState(hold)) }
        let declared =
            switch dialect {
            case .tus: try request.headers.bytes(.uploadLength, orThrow: "bad_length")
            case .draft:
                try request.headers.draftLength(from: offset, isLast: dialect.isLast(request.headers) ?? true)
            }
        guard let declared else { return }
        guard hold.length ?? declared == declared, declared >= offset else { throw APIError.inconsistentLength }
        guard declared <= limits.fileBytes else {
            throw APIError.tooLarge("file_too_large", "A file may have \(limits.fileBytes) bytes at most.")
        }
        hold.length = declared
    }

    /// A request to go on with what is finished. A client that did not hear of the end may ask for nothing more.
    func repeated(
        _ id: UploadID,
        _ offset: Int64,
        _ context: UserContext,
        _ dialect: UploadDialect
    ) async throws -> Response {
        let upload = try await find(context)
        guard upload.role != .final else { throw APIError.finalUpload }
        let state = UploadState(upload)
        guard dialect == .tus else { throw APIError.uploadComplete }
        guard offset == upload.offset else { throw dialect.mismatch(state) }
        return dialect.appended(state)
    }

    /// Writes a body to an upload, ends it if it is the last, and lets go of it.
    func write(
        to hold: UploadHold,
        _ request: Request,
        _ context: UserContext,
        _ dialect: UploadDialect,
        hasBody: Bool,
        _ promise: BodyPromise,
        answer: (UploadState) -> Response
    ) async throws -> Response {
        try await releasing(hold) {
            hold.promised = promise.whole ?? hold.promised
            if hasBody, hold.upload.sha256 == nil {
                var body = try await UploadAppend(to: hold, limits: limits, promise: promise)
                try await body.receive(request, context)
                // Nobody has to be cut who waits for nothing but the answer.
                uploads.holds.remove(hold)
                if isEnd(of: hold, request, dialect) { try body.sniffWhole() }
            } else if isEnd(of: hold, request, dialect) {
                try await UploadAppend(to: hold, limits: limits).sniffWhole()
            }
            guard isEnd(of: hold, request, dialect), hold.upload.role != .part else {
                try await hold.save()
                return answer(UploadState(hold))
            }
            let accepted = try await ending.finish(hold, logger: context.logger)
            return try dialect.finished(answer(UploadState(hold, accepted)), accepted)
        }
    }

    /// Whether everything is here: in tus the length says so, in the draft the request.
    private func isEnd(of hold: UploadHold, _ request: Request, _ dialect: UploadDialect) -> Bool {
        guard hold.length ?? hold.offset == hold.offset else { return false }
        return dialect == .tus ? hold.length != nil : dialect.isLast(request.headers) ?? true
    }

    func concatenate(
        _ parts: Concatenation,
        _ new: NewUpload,
        _ request: Request,
        _ context: UserContext,
        _ dialect: UploadDialect
    ) async throws -> Response {
        try await admit(new, bytes: new.length, request, context)
        let writer = UploadWriter(context, dialect, interim: false, knowsUpload: false)
        let hold = try await uploads.begin(
            new,
            expecting: new.length,
            upTo: limits.fileBytes,
            in: context.company,
            by: context.user.id,
            writer: writer
        )
        return try await releasing(hold) {
            var target = try await UploadAppend(to: hold, limits: limits)
            try await parts.copy(to: &target, in: context.company, uploads, writer)
            try target.sniffWhole()
            let accepted = try await ending.finish(hold, logger: context.logger)
            try await uploads.uploads.hasten(parts.parts, in: context.company)
            let state = UploadState(hold, accepted)
            let address = UploadAddress(new.id, request)
            return try dialect.finished(dialect.created(state, at: address, hasBody: true, limits), accepted)
        }
    }

    /// Lets go of an upload whatever happens. One that cannot be stored is removed, and one to which nobody can come back.
    func releasing<Value>(_ hold: UploadHold, _ body: () async throws -> Value) async throws -> Value {
        do {
            let value = try await body()
            await uploads.release(hold)
            return value
        } catch {
            let refusal = error as? RefusedUpload
            if refusal != nil || !hold.isKnownToClient {
                await hold.stopCheckpoints()
                // What stays goes when the upload expires.
                await Task { try? await uploads.remove(hold) }.value
            }
            await uploads.release(hold)
            throw refusal?.reason ?? error
        }
    }
}
