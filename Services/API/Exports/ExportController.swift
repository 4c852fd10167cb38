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
        case .existing(let export): return try await JSONBody.response(long: ExportView(export))
        case .added(let export, let jobs):
            self.jobs.announce(jobs)
            events.publish(.exportUpdated(export.id, of: context.company))
            var response = try await JSONBody.response(long: ExportView(export), status: .accepted)
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
        return try await page.response(found, id: \.id, view: ExportView.init)
    }

    func get(_ request: Request, context: UserContext) async throws -> Response {
        try await JSONBody.response(long: ExportView(try await find(context)))
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
        switch try await upkeep.requeue(export.id, maximumUnfinished: limits.maximumUnfinished) {
        case .parts: break
        case .nothing: throw APIError.nothingToRetry(export.status)
        case .replaced: throw APIError.askedForAgain
        case .tooManyUnfinished: throw APIError.tooManyExports(limits.maximumUnfinished)
        }
        events.publish(.exportUpdated(export.id, of: context.company))
        return try await JSONBody.response(long: ExportView(try await find(context)), status: .accepted)
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

extension ExportLimits {
    /// Bytes of the JSON that asks for an export: an id takes 39 of them, and more with white space around it.
    var requestBytes: Int { JSONBody.maximumBytes + maximumItems * 64 }
}

/// What a client sends to ask for an export. An empty body asks for every item of the company.
struct ExportRequest: Decodable {
    struct Filter: Decodable {
        let q: String?
        let kind: String?
    }

    var itemIds: [ItemID]?
    var filter: Filter?
    var media: Export.Media?
    var procedures: Bool?
    var language: Export.Language?

    /// Completes what the client left open; `language` is for one that names none. Throws `bad_json` for two selections
    /// at once, `bad_value`, `too_many_items`.
    func order(language: Export.Language, limits: ExportLimits) throws(APIError) -> ExportOrder {
        let selection = try selection()
        if case .items(let ids) = selection, ids.count > limits.maximumItems {
            throw .tooManyItems(limits.maximumItems)
        }
        let defaults = Export.Options()
        return ExportOrder(
            selection: selection,
            options: Export.Options(
                media: media ?? defaults.media,
                procedures: procedures ?? defaults.procedures,
                language: self.language ?? language
            ),
            itemsPerPart: limits.itemsPerPart,
            filesPerPart: limits.filesPerPart,
            bytesPerPart: limits.bytesPerPart,
            maximumItems: limits.maximumItems,
            maximumUnfinished: limits.maximumUnfinished,
            life: limits.life
        )
    }

    private func selection() throws(APIError) -> ExportOrder.Selection {
        switch (itemIds, filter) {
        case (nil, nil): .all
        case (let ids?, nil): .items(ids)
        case (nil, let filter?):
            .filter(
                words: try InputText.filter(filter.q, "filter.q").map(SearchWords.init),
                kind: try InputText.filter(filter.kind, "filter.kind")
            )
        case (_?, _?): throw .badRequest("bad_json", "Send “item_ids” or “filter”, not both.")
        }
    }
}

extension Export.Language {
    /// The supported language an `Accept-Language` header prefers (RFC 9110, 12.5.4); English if it names none of them.
    init(accepted header: String?) {
        let wishes = (header ?? "").lowercased().split(separator: ",").compactMap(Self.wish)
        // Of equal weights the first wins.
        let best = wishes.enumerated().max { ($0.element.weight, -$0.offset) < ($1.element.weight, -$1.offset) }
        self = best?.element.language ?? .en
    }

    /// Reads `es-MX;q=0.8`; nil for another language, and for one that is not wanted.
    private static func wish(_ text: Substring) -> (language: Self, weight: Double)? {
        let fields = text.split(separator: ";").map { $0.trimmingCharacters(in: .whitespaces) }
        guard let language = fields.first?.split(separator: "-").first.flatMap({ Self(rawValue: String($0)) }) else {
            return nil
        }
        let weight = fields.dropFirst().first { $0.hasPrefix("q=") }.map { Double($0.dropFirst(2)) ?? 0 } ?? 1
        return weight > 0 ? (language, weight) : nil
    }
}

struct ExportView: Encodable {
    let id: ExportID
    let status: Export.Status
    let progress: Double
    let itemsTotal: Int
    let itemsDone: Int
    @Nullable var bytes: Int64?
    let media: Export.Media
    let procedures: Bool
    let language: Export.Language
    let parts: [ExportPartView]
    @Nullable var positionInQueue: Int?
    let createdAt: Date
    @Nullable var finishedAt: Date?
    @Nullable var expiresAt: Date?

    init(_ export: Export) {
        let archives = export.parts.compactMap(\.archive)
        id = export.id
        status = export.status
        progress = export.progress
        itemsTotal = export.items
        itemsDone = export.itemsDone
        bytes = archives.isEmpty ? nil : archives.reduce(0) { $0 + $1.bytes }
        media = export.options.media
        procedures = export.options.procedures
        language = export.options.language
        parts = export.parts.map { ExportPartView($0, of: export.id) }
        positionInQueue = export.positionInQueue
        createdAt = export.createdAt
        finishedAt = export.finishedAt
        expiresAt = export.expiresAt
    }
}

struct ExportPartView: Encodable {
    let number: Int
    let status: Export.Status
    let progress: Double
    let items: Int
    let continues: Bool
    @Nullable var bytes: Int64?
    @Nullable var seconds: Double?
    @Nullable var url: String?
    @Nullable var error: String?
    let problems: [ExportProblemView]
    let problemCount: Int

    init(_ part: ExportPart, of export: ExportID) {
        number = part.number
        status = part.status
        progress = part.progress
        items = part.items
        continues = part.continues
        bytes = part.archive?.bytes
        seconds = part.archive?.seconds
        url = part.archive.map { _ in ExportPartView.url(of: part.number, in: export) }
        error = part.error
        problems = part.archive?.problems.map(ExportProblemView.init) ?? []
        problemCount = part.archive?.problemCount ?? 0
    }

    static func url(of number: Int, in export: ExportID) -> String { "/v1/exports/\(export)/parts/\(number)/content" }
}

struct ExportProblemView: Encodable {
    @Nullable var item: String?
    let filename: String
    let detail: String

    init(_ problem: ExportProblem) {
        item = problem.item
        filename = problem.filename
        detail = problem.detail
    }
}

extension Export {
    /// How far it is, 0…1; each part counts by its number of items, one of procedures alone as one.
    fileprivate var progress: Double {
        let all = parts.reduce(0) { $0 + max(1, $1.items) }
        return all > 0 ? parts.reduce(0) { $0 + $1.progress * Double(max(1, $1.items)) } / Double(all) : 0
    }
}
