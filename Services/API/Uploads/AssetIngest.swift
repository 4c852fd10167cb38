import FaultPoints
import Jobs
import Models
import Repositories
import Storage

/// Makes assets of files that have arrived: the common end of every kind of upload.
struct AssetIngest: Sendable {
    let storage: LocalStorage
    let batches: AssetBatches
    let jobs: JobPublisher

    /// Puts the files of one request on stable storage and in their places, persists them with one commit, and
    /// announces their jobs. Returns one a file, in the same order.
    ///
    /// The files are finished and not placed yet; without an item they are documents of the company itself. A failure
    /// before the commit leaves files without rows, which the collector removes. Throws `not_found` if the item was
    /// deleted meanwhile.
    func accept(
        _ files: [ReceivedFile],
        on item: ItemID?,
        in company: CompanyID,
        by user: UserID
    ) async throws -> [AcceptedFile] {
        let places = try await storage.place(files.map(\.file), of: company)
        FaultPoint.apiLinked.reach()
        let new = zip(files, places).map { file, place in
            NewAsset(
                kind: file.content.kind,
                filename: file.filename,
                contentType: file.content.contentType,
                file: place
            )
        }
        let rows = NewAssets(new, on: item, in: company, by: user)
        guard let stored = try await batches.accept(rows) else { throw APIError.notFound("item") }
        FaultPoint.apiCommitted.reach()
        let accepted = zip(new, stored).map { AcceptedFile(asset: $1, isDuplicate: $0.id != $1.id) }
        jobs.announce(zip(new, accepted).compactMap { $1.isDuplicate ? nil : $0.job })
        FaultPoint.apiAnnounced.reach()
        return accepted
    }

    func accept(
        _ file: ReceivedFile,
        on item: ItemID?,
        in company: CompanyID,
        by user: UserID
    ) async throws -> AcceptedFile {
        guard let accepted = try await accept([file], on: item, in: company, by: user).first else {
            throw APIError.unexpected
        }
        return accepted
    }
}

/// A file that is complete and waits for its place.
struct ReceivedFile: Sendable {
    let filename: String
    let content: Asset.Content
    var file: UnplacedFile

    /// A file without a name is called `unnamed`, with the extension of what it is.
    init(named filename: Filename, _ content: Asset.Content, _ file: UnplacedFile) {
        self.filename = filename.label(for: content.contentType)
        self.content = content
        self.file = file
    }
}

struct AcceptedFile: Sendable {
    let asset: Asset
    /// Whether the item held these bytes already: then this is the asset that was there.
    let isDuplicate: Bool

    var view: AssetView { AssetView(asset, duplicate: isDuplicate) }
}
