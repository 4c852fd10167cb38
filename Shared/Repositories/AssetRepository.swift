public import Database
import Foundation
public import Jobs
public import Models

/// A file that was received and lies in its place, about to get its row.
public struct NewAsset: Sendable {
    /// What its row will have, unless the item holds the same bytes already.
    public let id: AssetID
    /// What will process it; nil if it is ready as it is.
    public let job: JobRow?
    public let kind: Asset.Kind
    /// Cleaned.
    public let filename: String
    /// As its bytes say.
    public let contentType: String
    public let file: StoredFile

    public init(kind: Asset.Kind, filename: String, contentType: String, file: StoredFile) {
        id = .new()
        job = Job.Kind(processing: kind).map { JobRow(id: .new(), kind: $0) }
        self.kind = kind
        self.filename = filename
        self.contentType = contentType
        self.file = file
    }
}

extension Job.Kind {
    /// The work an asset of a kind needs; nil if it is ready as it is.
    fileprivate init?(processing kind: Asset.Kind) {
        switch kind {
        case .image: self = .image
        case .video: self = .video
        case .document: return nil
        }
    }
}

/// The files of one request, in the order they came.
public struct NewAssets: Sendable {
    public let files: [NewAsset]
    /// Nil for documents of the company itself.
    public let item: ItemID?
    public let company: CompanyID
    public let user: UserID

    public init(_ files: [NewAsset], on item: ItemID?, in company: CompanyID, by user: UserID) {
        self.files = files
        self.item = item
        self.company = company
        self.user = user
    }
}

/// A company's assets. Every method people reach is scoped by the company.
public struct AssetRepository: Sendable {
    private let database: Database

    public init(_ database: Database) {
        self.database = database
    }

    /// Persists every file of some requests, and the jobs that will process them, in ONE transaction and one round trip.
    /// Gives one asset a file, in the order of the requests and of their files.
    ///
    /// Nil is given for a request that has to be accepted by itself: some of its files are there already, or its item is
    /// gone, or somebody is changing that. It waits for nobody who holds an item. After an error nothing is persisted.
    public func accept(together requests: [NewAssets]) async throws(DatabaseError) -> [[Asset]?] {
        let created = try await insert(requests)
        return requests.map { request in
            let assets = request.files.compactMap { new in
                created[new.id].map { Asset(new, on: request.item, createdAt: $0) }
            }
            return assets.count == request.files.count ? assets : nil
        }
    }

    /// When the rows that were made were made.
    private func insert(_ requests: [NewAssets]) async throws(DatabaseError) -> [AssetID: Date] {
        let rows = requests.enumerated().flatMap { number, request in
            let place = "\(request.company)\(request.item?.description ?? "")"
            return request.files.map { (key: "\(place)\($0.file.sha256)", new: $0, request: request, number: number) }
        }.sorted { $0.key < $1.key }
        guard !rows.isEmpty else { return [:] }
        var statements: [any AnyStatement] = [
            Self.insertMany(
                rows.map(\.new.id),
                rows.map(\.request.company),
                rows.map(\.request.item),
                rows.map(\.new.kind),
                rows.map(\.new.filename),
                rows.map(\.new.contentType),
                rows.map(\.new.file.volume),
                rows.map(\.new.file.sha256),
                rows.map(\.new.file.crc32),
                rows.map(\.new.file.bytes),
                rows.map(\.request.user)
            )
        ]
        let jobs = rows.compactMap { row in
            row.new.job.map { (id: $0.id, kind: $0.kind, asset: row.new.id, request: row.number) }
        }
        if !jobs.isEmpty { statements.append(JobStatements.accept(jobs)) }
        let inserted = try await database.transaction(statements)[0].decode(InsertedAsset.self)
        return Dictionary(inserted.map { ($0.id, $0.createdAt) }) { first, _ in first }
    }

    /// Persists every file of one request, and the jobs that will process them, in a transaction of its own. Returns one
    /// asset a file, in the same order; for bytes the item holds already, the asset that is there. Nil, with nothing
    /// persisted, if the item is not there any more.
    public func accept(_ request: NewAssets) async throws(DatabaseError) -> [Asset]? {
        let (files, item, company) = (request.files, request.item, request.company)
        // In one order for everybody, so that two requests with the same files cannot deadlock.
        let ordered = files.sorted { $0.file.sha256.description < $1.file.sha256.description }
        var statements: [any AnyStatement] = ordered.map { new in
            Self.insert(
                new.id,
                company,
                item,
                new.kind,
                new.filename,
                new.contentType,
                new.file.volume,
                new.file.sha256,
                new.file.crc32,
                new.file.bytes,
                request.user
            )
        }
        let jobs = ordered.compactMap { new in new.job.map { (id: $0.id, kind: $0.kind, asset: new.id, request: 0) } }
        if !jobs.isEmpty { statements.append(JobStatements.accept(jobs)) }
        statements.append(Self.held(files.map(\.file.sha256), on: item, in: company))
        // Twice, should somebody delete the asset that was there already in the moment between the two statements.
        for _ in 0..<2 {
            guard let last = try await database.transaction(statements).last else { return [] }
            let stored = Dictionary(try last.decode(Asset.self).map { ($0.original.sha256, $0) }) { first, _ in first }
            let accepted = files.compactMap { stored[$0.file.sha256] }
            if accepted.count == files.count { return accepted }
            if let item, try await database.first(Self.itemIsThere(item, company)) == nil { return nil }
        }
        throw DatabaseError.undecodable("an accepted asset did not come back")
    }

    /// Which of these bytes an item, or the company itself, holds already.
    public func held(
        _ digests: [SHA256Digest],
        on item: ItemID?,
        in company: CompanyID
    ) async throws(DatabaseError) -> [SHA256Digest: Asset] {
        let held = try await database.run(Self.held(digests, on: item, in: company))
        return Dictionary(held.map { ($0.original.sha256, $0) }) { first, _ in first }
    }

    public func find(_ id: AssetID, in company: CompanyID) async throws(DatabaseError) -> Asset? {
        try await database.first(Self.byID(id, company))
    }

    /// Newest first.
    public func page(
        in company: CompanyID,
        item: ItemID?,
        kind: Asset.Kind?,
        status: Asset.Status?,
        before: AssetID?,
        limit: Int
    ) async throws(DatabaseError) -> [Asset] {
        try await database.run(Self.page(company, item, kind, status, before, limit)).prefix(limit).map(\.self)
    }

    /// Hides an asset; false if there is none of that id.
    public func delete(_ id: AssetID, in company: CompanyID) async throws(DatabaseError) -> Bool {
        try await database.transaction([Self.markDeleted(id, company)])[0].affected > 0
    }

    /// What a worker needs to process an asset; nil if it was deleted meanwhile.
    public func source(_ id: AssetID) async throws(DatabaseError) -> AssetSource? {
        try await database.first(Self.source(id))
    }

    /// Records what processing learnt of an asset, within the transaction that completes its job.
    public static func processed(
        _ id: AssetID,
        width: Int?,
        height: Int?,
        durationSeconds: Double?
    ) -> any AnyStatement {
        measure(id, width, height, durationSeconds)
    }

    /// Records a rendition, in place of an older one of its name, within the transaction that completes its job.
    public static func add(_ rendition: Rendition, to id: AssetID) -> any AnyStatement {
        insertRendition(
            id,
            rendition.name,
            rendition.contentType,
            rendition.bytes,
            rendition.width,
            rendition.height,
            rendition.volume,
            rendition.path
        )
    }

    /// Row by row in the order of the arrays, so that two transactions with the same files cannot deadlock.
    private static let insertMany = Query<InsertedAsset>(
        """
        WITH new AS (
            SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[],
                                 $8::text[], $9::bigint[], $10::bigint[], $11::uuid[])
                 AS new (id, company_id, item_id, kind, filename, content_type, volume, sha256, crc32, bytes, created_by)
        ), item AS (
            -- Locked, so that whoever deletes the item sees the asset, and deletes it too.
            SELECT i.company_id, i.id FROM items i
             WHERE i.id = ANY ($3::uuid[]) AND i.deleted_at IS NULL ORDER BY i.id FOR SHARE SKIP LOCKED
        )
        INSERT INTO assets (id, company_id, item_id, kind, filename, content_type, volume, sha256, crc32, bytes, created_by)
        SELECT * FROM new
         WHERE item_id IS NULL OR (company_id, item_id) IN (SELECT company_id, id FROM item)
        ON CONFLICT (company_id, item_id, sha256) WHERE deleted_at IS NULL DO NOTHING
        RETURNING id, created_at
        """
    )
    private static let insert = Query<NoRow>(
        """
        WITH item AS (
            -- Locked, so that whoever deletes the item sees the asset, and deletes it too.
            SELECT id FROM items WHERE id = $3 AND company_id = $2 AND deleted_at IS NULL FOR SHARE
        )
        INSERT INTO assets (id, company_id, item_id, kind, filename, content_type, volume, sha256, crc32, bytes, created_by)
        SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11
         WHERE $3::uuid IS NULL OR EXISTS (SELECT FROM item)
        ON CONFLICT (company_id, item_id, sha256) WHERE deleted_at IS NULL DO NOTHING
        """
    )
    private static let itemIsThere = Query<NoRow>(
        "SELECT FROM items WHERE id = $1 AND company_id = $2 AND deleted_at IS NULL"
    )
    /// One of two statements, so that each is a search in the index over company, item and content: no index serves
    /// `IS NOT DISTINCT FROM`.
    private static func held(_ digests: [SHA256Digest], on item: ItemID?, in company: CompanyID) -> Statement<Asset> {
        let texts = digests.map(\.description)
        return item.map { heldByItem(company, $0, texts) } ?? heldByCompany(company, texts)
    }

    private static let heldByItem = Query<Asset>(
        "SELECT * FROM asset_details WHERE company_id = $1 AND item_id = $2 AND sha256 = ANY ($3::text[])"
    )
    private static let heldByCompany = Query<Asset>(
        "SELECT * FROM asset_details WHERE company_id = $1 AND item_id IS NULL AND sha256 = ANY ($2::text[])"
    )
    private static let byID = Query<Asset>("SELECT * FROM asset_details WHERE id = $1 AND company_id = $2")
    /// The ids of the page are found first, in an index that ends in its order; only those assets are looked at whole. The
    /// number of rows stands in the text, since the server would suppose a tenth of all for a parameter.
    private static func page(
        _ company: CompanyID,
        _ item: ItemID?,
        _ kind: Asset.Kind?,
        _ status: Asset.Status?,
        _ before: AssetID?,
        _ limit: Int
    ) -> Statement<Asset> {
        var page = ComposedStatement<Asset>()
        page.add("SELECT d.* FROM (SELECT a.id FROM assets a")
        // An item has few assets, so its status is looked up; of a company's, what is not ready is in an index.
        if let state = status?.jobState, item == nil {
            page.add("JOIN jobs j ON j.subject_id = a.id AND j.company_id = ? AND j.state = ?", company, state)
            page.add("AND j.state <> 'done' AND j.kind <> 'zip.part'")
            page.add("AND j.subject_id < ?", ifAny: before)
        }
        page.add("WHERE a.company_id = ? AND a.deleted_at IS NULL", company)
        page.add("AND a.item_id = ?", ifAny: item)
        page.add("AND a.kind = ?", ifAny: kind)
        if let state = status?.jobState, item != nil {
            page.add("AND EXISTS (SELECT FROM jobs j WHERE j.subject_id = a.id AND j.state = ?)", state)
        }
        if status == .ready {
            // One that was processed before may have to be again.
            page.add("AND (a.processed_at IS NOT NULL OR a.kind = 'document')")
            page.add("AND NOT EXISTS (SELECT FROM jobs j WHERE j.subject_id = a.id AND j.state <> 'done')")
        }
        page.add("AND a.id < ?", ifAny: before)
        page.add(limit > 51 ? "ORDER BY a.id DESC LIMIT 201) page" : "ORDER BY a.id DESC LIMIT 51) page")
        page.add("CROSS JOIN LATERAL (SELECT * FROM asset_details WHERE id = page.id) d ORDER BY d.id DESC")
        return page.statement
    }

    private static let markDeleted = Query<NoRow>(
        "UPDATE assets SET deleted_at = now() WHERE id = $1 AND company_id = $2 AND deleted_at IS NULL"
    )
    private static let source = Query<AssetSource>(
        "SELECT id, company_id, kind, volume, sha256, crc32, bytes FROM assets WHERE id = $1 AND deleted_at IS NULL"
    )
    private static let measure = Query<NoRow>(
        "UPDATE assets SET width = $2, height = $3, duration_seconds = $4, processed_at = now() WHERE id = $1"
    )
    private static let insertRendition = Query<NoRow>(
        """
        INSERT INTO renditions (asset_id, name, content_type, bytes, width, height, volume, path)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        ON CONFLICT (asset_id, name) DO UPDATE
           SET content_type = excluded.content_type, bytes = excluded.bytes, width = excluded.width,
               height = excluded.height, volume = excluded.volume, path = excluded.path, created_at = now()
        """
    )
}

extension Asset.Status {
    /// The state of the job of an asset that stands so; nil for one that has none, or whose job is done.
    fileprivate var jobState: Job.State? {
        switch self {
        case .queued: .queued
        case .processing: .running
        case .failed: .failed
        case .ready: nil
        }
    }
}
