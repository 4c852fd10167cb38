import Database
import Foundation
import HTTPTypes
import Hummingbird
import Jobs
import Logging
import Messaging
import Models
import Repositories
import Storage

/// `/v1/exports`, and downloads of their archives.
struct ExportController: Sendable {
    let exports: ExportRepository
    let upkeep: ExportUpkeepRepository
    let sessions: SessionRepository
    let limits: ExportLimits
    let jobs: JobPublisher
    let events: EventPublisher
    let cleaner: ExportCleaner
    let storage: LocalStorage
    let files: StoredFileResponder

    /// Records an export and its parts' jobs; or gives the same one, if it is asked for again.
    func create(_ request: Request, context: UserContext) async throws -> Response {
        let body = try await JSONBody.decode(
            ExportRequest.self,
            from: request,
            context,
            most: limits.requestBytes,
            ifEmpty: ExportRequest()
        )
        let order = try body.order(language: .init(accepted: request.headers[.acceptLanguage]), limits: limits)
        switch try await exports.request(order, in: context.company, by: context.user.id) {
        case .existing(let export): return try JSONBody.response(ExportView(export))
        case .added(let export, let jobs):
            self.jobs.announce(jobs)
            events.publish(.exportUpdated(export.id, of: context.company))
            var response = try JSONBody.response(ExportView(export), status: .accepted)
            response.headers[.location] = "/v1/exports/\(export.id)"
            return response
        case .noItems: throw APIError.noItems
        case .tooManyItems: throw APIError.tooManyItems(limits.maximumItems)
        case .unknownItems(let ids): throw APIError.unknownItems(ids)
        case .tooManyUnfinished: throw APIError.tooManyExports(limits.maximumUnfinished)
        }
    }

    func list(_ request: Request, context: UserContext) async throws -> Response {
        let query = try QueryParameters(request)
        let page = try ListPage<Export>(of: "exports", query, in: context.company)
        let found = try await exports.page(
            in: context.company,
            status: try query.word("status"),
            before: page.before,
            limit: page.rows
        )
        return try page.response(found, id: \.id, view: ExportView.init)
    }

    func get(_ request: Request, context: UserContext) async throws -> Response {
        try JSONBody.response(ExportView(try await find(context)))
    }

    /// Cancels an export, or removes a finished one, with its archives.
    func delete(_ request: Request, context: UserContext) async throws -> Response {
        let id = try context.id("export", of: Export.self)
        guard try await exports.delete(id, in: context.company) else { throw APIError.notFound("export") }
        events.publish(.exportUpdated(id, of: context.company))
        do {
            try await cleaner.clean(id)
        } catch {
            // The export is gone for the user; the scheduled cleaner finds the files.
            let metadata: Logger.Metadata = ["export": "\(id)", "error": "\(error)"]
            context.logger.warning("The archives of a deleted export were not removed yet", metadata: metadata)
        }
        return Response(status: .noContent)
    }

    /// Builds the failed parts of a finished export again, and every part of an expired one.
    func retry(_ request: Request, context: UserContext) async throws -> Response {
        let export = try await find(context)
        switch try await upkeep.requeue(export.id) {
        case .parts: break
        case .nothing: throw APIError.nothingToRetry(export.status)
        case .replaced: throw APIError.askedForAgain
        }
        events.publish(.exportUpdated(export.id, of: context.company))
        return try JSONBody.response(ExportView(try await find(context)), status: .accepted)
    }

    func content(_ request: Request, context: UserContext) async throws -> Response {
        let (export, part) = try await findPart(context)
        let archive = try part.readyArchive
        do {
            return try await files.respond(
                with: StoredFileResponder.File(
                    locate: { [storage] () throws(StorageError) in
                        try storage.path(volume: archive.volume, relative: archive.path)
                    },
                    contentType: "application/zip",
                    entityTag: archive.entityTag,
                    // The row does not say when this attempt's bytes were written; the tag is of them alone.
                    modified: nil,
                    filename: export.filename(of: part),
                    disposition: .attachment
                ),
                to: request,
                context
            )
        } catch let error as APIError where error.code == APIError.fileMissing.code {
            // It may have expired or been deleted meanwhile.
            _ = try await findPart(context).part.readyArchive
            throw error
        }
    }

    /// Makes an address that gives the archive to whoever has it, for a while: see ``DownloadTicket``.
    func ticket(_ request: Request, context: UserContext) async throws -> Response {
        let (export, part) = try await findPart(context)
        _ = try part.readyArchive
        let ticket = DownloadTicket.new(for: ExportPartView.url(of: part.number, in: export.id))
        let expiry = try await sessions.open(ticket.hash, for: context.user.id, life: DownloadTicket.life)
        var response = try JSONBody.response(TicketView(url: ticket.url, expiresAt: expiry), status: .created)
        response.headers[.cacheControl] = "no-store"
        return response
    }

    private struct TicketView: Encodable {
        let url: String
        let expiresAt: Date
    }

    private func find(_ context: UserContext) async throws -> Export {
        let id = try context.id("export", of: Export.self)
        guard let export = try await exports.find(id, in: context.company) else { throw APIError.notFound("export") }
        return export
    }

    private func findPart(_ context: UserContext) async throws -> (export: Export, part: ExportPart) {
        let export = try await find(context)
        let number = context.parameters.get("number").flatMap { Int($0) }
        guard let part = export.parts.first(where: { $0.number == number }) else {
            throw APIError.noPart(of: export.parts.count)
        }
        return (export, part)
    }
}

extension ExportPart {
    fileprivate var readyArchive: Archive {
        get throws(APIError) {
            if let archive { return archive }
            switch status {
            case .queued, .processing, .ready: throw .partNotReady
            case .failed: throw .partFailed(error)
            case .expired: throw .exportExpired
            }
        }
    }
}

extension ExportPart.Archive {
    /// The path ends in `…/<export>/<number>-<fence>.zip`.
    var entityTag: EntityTag { EntityTag(path: path.replacing(".zip", with: ""), names: 2) }
}

extension Export {
    /// “export 2026-11-21 1 of 2.zip”, in the language of what is in it.
    func filename(of part: ExportPart) -> String {
        let day = createdAt.formatted(.iso8601.year().month().day())
        let (name, of) = options.language == .es ? ("exportación", "de") : ("export", "of")
        return parts.count == 1 ? "\(name) \(day).zip" : "\(name) \(day) \(part.number) \(of) \(parts.count).zip"
    }
}
