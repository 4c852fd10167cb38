public import Database
public import Jobs
public import Models

/// What somebody asks to be exported, and how far the answer may go.
public struct ExportOrder: Sendable {
    public enum Selection: Sendable {
        /// Every item of the company.
        case all
        case items([ItemID])
        /// Those a list with the same filter would show.
        case filter(words: SearchWords?, kind: String?)
    }

    public var selection: Selection
    public var options: Export.Options
    /// Items of one part that have files.
    public var itemsPerPart: Int
    /// Files of one part.
    public var filesPerPart: Int
    /// Bytes of one part, unless one file alone has more.
    public var bytesPerPart: Int64
    /// Items of one export.
    public var maximumItems: Int
    /// Exports of a company that are not finished yet.
    public var maximumUnfinished: Int
    /// How long its archives live.
    public var life: Duration

    public init(
        selection: Selection,
        options: Export.Options,
        itemsPerPart: Int,
        filesPerPart: Int,
        bytesPerPart: Int64,
        maximumItems: Int,
        maximumUnfinished: Int,
        life: Duration
    ) {
        self.selection = selection
        self.options = options
        self.itemsPerPart = itemsPerPart
        self.filesPerPart = filesPerPart
        self.bytesPerPart = bytesPerPart
        self.maximumItems = maximumItems
        self.maximumUnfinished = maximumUnfinished
        self.life = life
    }
}

public enum ExportAnswer: Sendable {
    /// It is recorded; its parts' jobs are to be announced.
    case added(Export, jobs: [JobRow])
    /// The same was asked for before, and is not finished, or is there still.
    case existing(Export)
    /// No item meets the selection.
    case noItems
    /// The selection is larger than the order admits.
    case tooManyItems
    /// These of the items asked for (the first ten of them) are not there.
    case unknownItems([ItemID])
    /// The company waits for as many exports as it may.
    case tooManyUnfinished
}

private struct RequestOutcome: RowDecodable {
    let items: Int
    let unfinished: Int
    let same: ExportID?
    let isAdded: Bool

    init(from row: borrowing Row) throws(DatabaseError) {
        items = try row["items"]
        unfinished = try row["unfinished"]
        same = try row["same"]
        isAdded = try row["added"]
    }
}

private struct ItemKey: RowDecodable {
    let id: ItemID

    init(from row: borrowing Row) throws(DatabaseError) { id = try row["id"] }
}

extension Export: RowDecodable {
    public init(from row: borrowing Row) throws(DatabaseError) {
        let parts: JSON<[ExportPart]> = try row["parts"]
        self.init(
            id: try row["id"],
            company: try row["company_id"],
            options: try Options(from: row),
            status: try row["status"],
            parts: parts.value,
            positionInQueue: try row["position_in_queue"],
            createdAt: try row["created_at"],
            finishedAt: try row["finished_at"],
            expiresAt: try row["expires_at"]
        )
    }
}

extension Export.Options: RowDecodable {
    public init(from row: borrowing Row) throws(DatabaseError) {
        self.init(media: try row["media"], procedures: try row["procedures"], language: try row["language"])
    }
}

extension Export.Media: DatabaseValue {}
extension Export.Language: DatabaseValue {}
extension Export.Status: DatabaseValue {}

/// A company's exports. Every method people reach is scoped by the company.
public struct ExportRepository: Sendable {
    private let database: Database

    public init(_ database: Database) {
        self.database = database
    }

    /// Records an export, its parts and their jobs in ONE transaction and one round trip; or finds the one that was
    /// asked for before.
    ///
    /// The unique index over unfinished exports decides between requests that come at once, on whatever process.
    public func request(
        _ order: ExportOrder,
        in company: CompanyID,
        by user: UserID
    ) async throws(DatabaseError) -> ExportAnswer {
        // An identical request may be committed, or finished, in the moment between the statement's two looks.
        for _ in 0..<5 {
            let id = ExportID.new()
            let results = try await database.transaction([
                Self.request(id, order, company, user), JobStatements.acceptParts(of: id),
            ])
            guard let outcome = try results[0].decode(RequestOutcome.self).first else { break }
            if let refusal = try await refusal(outcome, of: order, in: company) { return refusal }
            if outcome.isAdded {
                guard let export = try await find(id, in: company) else { continue }
                return .added(export, jobs: try results[1].decode())
            }
            if let same = outcome.same, let export = try await find(same, in: company) { return .existing(export) }
        }
        throw DatabaseError.undecodable("a requested export did not come back")
    }

    public func find(_ id: ExportID, in company: CompanyID) async throws(DatabaseError) -> Export? {
        try await database.first(Self.byID(id, company))
    }

    /// Newest first.
    public func page(
        in company: CompanyID,
        status: Export.Status?,
        before: ExportID?,
        limit: Int
    ) async throws(DatabaseError) -> [Export] {
        try await database.run(Self.page(company, status, before, limit))
    }

    /// Cancels and hides an export, whose files the cleaner then removes; false if there is none of that id.
    ///
    /// A worker that is building one of its parts loses its lease, and deletes what it has made.
    public func delete(_ id: ExportID, in company: CompanyID) async throws(DatabaseError) -> Bool {
        // The jobs first: whoever ends one locks the export after it.
        let results = try await database.transaction([
            JobStatements.deleteParts(of: id, in: company), Self.markDeleted(id, company),
        ])
        return results[1].affected > 0
    }

    private func refusal(
        _ outcome: RequestOutcome,
        of order: ExportOrder,
        in company: CompanyID
    ) async throws(DatabaseError) -> ExportAnswer? {
        if case .items(let ids) = order.selection, outcome.items < Set(ids).count {
            return .unknownItems(try await database.run(Self.unknown(ids, company)).map(\.id))
        }
        if outcome.items == 0 { return .noItems }
        if outcome.items > order.maximumItems { return .tooManyItems }
        // What is there already is given whatever the limit.
        guard outcome.same == nil, !outcome.isAdded else { return nil }
        return outcome.unfinished >= order.maximumUnfinished ? .tooManyUnfinished : nil
    }

    private static func request(
        _ id: ExportID,
        _ order: ExportOrder,
        _ company: CompanyID,
        _ user: UserID
    ) -> Statement<RequestOutcome> {
        var ids: [ItemID]?
        var words: SearchWords?
        var kind: String?
        switch order.selection {
        case .all: break
        case .items(let chosen): ids = Array(Set(chosen))
        case .filter(let wantedWords, let wantedKind): (words, kind) = (wantedWords, wantedKind)
        }
        return request(
            id,
            company,
            user,
            order.options.media,
            order.options.procedures,
            order.options.language,
            order.life / .seconds(1),
            order.itemsPerPart,
            order.maximumItems,
            order.maximumUnfinished,
            ids,
            ids?.count,
            words?.patterns,
            kind,
            order.filesPerPart,
            order.bytesPerPart
        )
    }

    /// Of the two ways to choose items only one is run: items that are named are looked up, and not sought among all.
    ///
    /// The fingerprint is of what goes into the archives: the items as they stand, which assets they have (an asset's
    /// bytes never change), which renditions if those are wanted, and the options.
    private static let request = Query<RequestOutcome>(
        """
        WITH chosen AS (
            SELECT id, updated_at, row_number() OVER (ORDER BY code COLLATE "C", id) AS position
              FROM (SELECT id, updated_at, code FROM items
                     WHERE $11::uuid[] IS NOT NULL AND id = ANY ($11::uuid[])
                       AND company_id = $2 AND deleted_at IS NULL
                    UNION ALL
                    SELECT id, updated_at, code FROM items
                     WHERE $11::uuid[] IS NULL AND company_id = $2 AND deleted_at IS NULL
                       AND ($13::text[] IS NULL OR search LIKE ALL ($13)) AND ($14::text IS NULL OR kind = $14)) item
             ORDER BY position LIMIT $9::integer + 1
        ), facts AS (
            SELECT c.position AS place,
                   concat_ws(' ', c.id, extract(epoch FROM c.updated_at),
                             string_agg(a.fact, ' ' ORDER BY a.fact COLLATE "C")) AS fact
              FROM chosen c
              LEFT JOIN LATERAL (
                   SELECT CASE WHEN $4::text = 'originals' THEN a.id::text
                               ELSE concat_ws(' ', a.id, (SELECT string_agg(r.path, ' ' ORDER BY r.path COLLATE "C")
                                                            FROM renditions r WHERE r.asset_id = a.id)) END AS fact
                     FROM assets a WHERE a.item_id = c.id AND a.deleted_at IS NULL) a ON true
             GROUP BY c.position, c.id, c.updated_at
            UNION ALL
            SELECT 0, string_agg(id::text, ' ' ORDER BY id) FROM assets
             WHERE $5::boolean AND company_id = $2 AND item_id IS NULL AND kind = 'document' AND deleted_at IS NULL
        ), whole AS (
            SELECT count(*) FILTER (WHERE place > 0) AS items,
                   encode(sha256(convert_to(concat_ws(' ', '1', $4, $5, $6::text, $8::integer, $15::integer, $16::bigint),
                                                 'UTF8')
                                 || coalesce(string_agg(sha256(convert_to(coalesce(fact, ''), 'UTF8')), ''::bytea
                                                        ORDER BY place), '')), 'hex') AS fingerprint
              FROM facts
        ), same AS (
            SELECT e.id FROM exports e, whole
             WHERE e.company_id = $2 AND e.fingerprint = whole.fingerprint AND e.deleted_at IS NULL
               AND (e.finished_at IS NULL
                    OR (e.expires_at > now() + interval '1 minute'
                        AND NOT EXISTS (SELECT FROM export_parts p JOIN jobs j ON j.subject_id = p.id
                                         WHERE p.export_id = e.id AND j.state = 'failed')))
             ORDER BY e.id DESC LIMIT 1
        ), unfinished AS (
            SELECT count(*) AS exports FROM exports
             WHERE company_id = $2 AND finished_at IS NULL AND deleted_at IS NULL
        ), added AS (
            INSERT INTO exports (id, company_id, fingerprint, media, procedures, language, life, created_by)
            SELECT $1, $2, whole.fingerprint, $4, $5, $6, $7::float8 * interval '1 s', $3
              FROM whole, unfinished
             WHERE whole.items BETWEEN 1 AND $9 AND whole.items = coalesce($12::integer, whole.items)
               AND unfinished.exports < $10::integer
               AND NOT EXISTS (SELECT FROM same)
            ON CONFLICT (company_id, fingerprint) WHERE finished_at IS NULL AND deleted_at IS NULL DO NOTHING
            RETURNING id, company_id
        ), parts AS (
            INSERT INTO export_parts (id, export_id, number, items, after_asset, through_asset,
                                      procedures, after_procedure, through_procedure)
            SELECT new_id(), added.id, p.part_number, p.part_items, p.begins_after, p.ends_with,
                   p.has_procedures, p.procedures_after, p.procedures_through
              FROM added
             CROSS JOIN LATERAL plan_parts(added.company_id, ARRAY(SELECT id FROM chosen ORDER BY position), $4, $5, $8,
                                           $15, $16) p
        )
        SELECT whole.items, unfinished.exports AS unfinished, (SELECT id FROM same) AS same,
               EXISTS (SELECT FROM added) AS added
          FROM whole, unfinished
        """
    )
    private static let unknown = Query<ItemKey>(
        """
        SELECT id FROM unnest($1::uuid[]) AS wanted (id)
         WHERE NOT EXISTS (SELECT FROM items i WHERE i.id = wanted.id AND i.company_id = $2 AND i.deleted_at IS NULL)
         ORDER BY id LIMIT 10
        """
    )
    private static let byID = Query<Export>("SELECT * FROM export_details WHERE id = $1 AND company_id = $2")
    private static func page(
        _ company: CompanyID,
        _ status: Export.Status?,
        _ before: ExportID?,
        _ limit: Int
    ) -> Statement<Export> {
        // The view would look for the place of each among all that wait; the queue is read once.
        var page = ComposedStatement<Export>()
        page.add("WITH queue AS (SELECT e.id, row_number() OVER (ORDER BY e.id) AS place FROM exports e")
        page.add("WHERE e.company_id = ? AND e.finished_at IS NULL AND e.deleted_at IS NULL", company)
        page.add("AND NOT EXISTS (SELECT FROM export_parts p JOIN jobs j ON j.subject_id = p.id")
        page.add("WHERE p.export_id = e.id AND j.state <> 'queued'))")
        page.add("SELECT d.id, d.company_id, d.media, d.procedures, d.language, d.created_at, d.finished_at,")
        page.add("d.expires_at, d.status, queue.place AS position_in_queue, d.parts")
        page.add("FROM export_details d LEFT JOIN queue ON queue.id = d.id WHERE d.company_id = ?", company)
        page.add("AND d.status = ?", ifAny: status)
        page.add("AND d.id < ?", ifAny: before)
        page.add("ORDER BY d.id DESC LIMIT ?", limit)
        return page.statement
    }

    private static let markDeleted = Query<NoRow>(
        "UPDATE exports SET deleted_at = now() WHERE id = $1 AND company_id = $2 AND deleted_at IS NULL"
    )
}
