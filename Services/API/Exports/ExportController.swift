import Database
import Hummingbird
import Jobs
import Logging
import Messaging
import Models
import Repositories

/// `/v1/exports`
struct ExportController: Sendable {
    let exports: ExportRepository
    let upkeep: ExportUpkeepRepository
    let limits: ExportLimits
    let jobs: JobPublisher
    let events: EventPublisher
    let cleaner: ExportCleaner

    /// Records an export and its parts' jobs; or gives the same one, if it is asked for again.
    func create(_ request: Request, context: UserContext) async throws -> Response {
        try context.requireWrite()
        let body = try await JSONBody.decode(
            ExportBody.self,
            from: request,
            context,
            most: limits.bodyBytes,
            ifEmpty: ExportBody()
        )
        let order = try body.order(language: .init(accepted: request.headers[.acceptLanguage]), limits: limits)
        let answer = try await exports.request(order, in: context.company, by: context.user.id)
        if case .existing(let export) = answer { return try JSONBody.response(ExportView(export)) }
        guard case .added(let export, let jobs) = answer else { throw refusal(answer) }
        self.jobs.announce(jobs)
        events.publish(.exportUpdated(export.id, of: context.company))
        var response = try JSONBody.response(ExportView(export), status: .accepted)
        response.headers[.location] = "/v1/exports/\(export.id)"
        return response
    }

    func list(_ request: Request, context: UserContext) async throws -> Response {
        let query = try QueryParameters(request)
        let page = try PageRequest<Export>(query, list: "exports", company: context.company)
        let found = try await exports.page(
            in: context.company,
            status: try query.word("status"),
            before: page.before,
            limit: page.limit + 1
        )
        return try JSONBody.response(
            ExportPage(
                exports: found.prefix(page.limit).map(ExportView.init),
                nextCursor: found.count > page.limit
                    ? Cursor.make(found[page.limit - 1].id.rawValue, list: "exports", company: context.company) : nil
            )
        )
    }

    func get(_ request: Request, context: UserContext) async throws -> Response {
        try JSONBody.response(ExportView(try await exports.find(context)))
    }

    /// Cancels an export, or removes a finished one, with its archives.
    func delete(_ request: Request, context: UserContext) async throws -> Response {
        try context.requireWrite()
        let id = try context.id("export", of: Export.self)
        guard try await exports.delete(id, in: context.company) else { throw APIError.notFound("export") }
        events.publish(.exportUpdated(id, of: context.company))
        do {
            try await cleaner.clean(id)
        } catch {
            // It is gone for the person; what cleans on a schedule finds the files.
            let metadata: Logger.Metadata = ["export": "\(id)", "error": "\(error)"]
            context.logger.warning("The archives of a deleted export were not removed yet", metadata: metadata)
        }
        return Response(status: .noContent)
    }

    /// Builds the failed parts of a finished export again, and every part of an expired one.
    func retry(_ request: Request, context: UserContext) async throws -> Response {
        try context.requireWrite()
        let export = try await exports.find(context)
        switch try await upkeep.requeue(export.id) {
        case .parts: break
        case .nothing:
            throw APIError(
                status: .conflict,
                code: "nothing_to_retry",
                detail: "Only a failed or an expired export can be built again; this one is \(export.status.rawValue)."
            )
        case .replaced:
            throw APIError(
                status: .conflict,
                code: "asked_for_again",
                detail: "The same was asked for again meanwhile, and is being built as another export."
            )
        }
        events.publish(.exportUpdated(export.id, of: context.company))
        return try JSONBody.response(ExportView(try await exports.find(context)), status: .accepted)
    }

    private func refusal(_ answer: ExportAnswer) -> APIError {
        switch answer {
        case .added, .existing: .unexpected
        case .noItems:
            APIError(
                status: .unprocessableContent,
                code: "no_items",
                detail: "No item of your company meets the selection. Change it, or make an item first."
            )
        case .tooManyItems: .tooManyItems(limits.maximumItems)
        case .unknownItems(let ids):
            APIError(
                status: .unprocessableContent,
                code: "unknown_items",
                detail: "Your company has no items of these ids: \(ids.map(\.description).joined(separator: ", "))."
                    + " Leave out every id it does not have."
            )
        case .tooManyUnfinished:
            APIError(
                status: .tooManyRequests,
                code: "too_many_exports",
                detail: "\(limits.maximumUnfinished) exports of your company are not finished yet."
                    + " Wait for one to end, or delete one."
            ).retry(after: 60)
        }
    }
}

extension ExportRepository {
    /// The export the path names, if it is the company's.
    func find(_ context: UserContext) async throws -> Export {
        let id = try context.id("export", of: Export.self)
        guard let export = try await find(id, in: context.company) else { throw APIError.notFound("export") }
        return export
    }
}
