import Database
import FaultPoints
import Jobs
import Models
import Repositories
import Storage

/// Files that have arrived become assets: the one end of every upload, whichever way its bytes came.
struct Acceptance: Sendable {
    let storage: LocalStorage
    let assets: AssetRepository
    let jobs: JobPublisher

    /// Puts the files of one request on stable storage and in their places, persists them with one commit, and announces
    /// their jobs.
    ///
    /// Whatever ends it before the commit leaves files without rows, which are the collector's.
    ///
    /// - Parameters:
    ///   - files: Finished and not placed yet.
    ///   - item: What they are about; nil for documents of the company itself.
    ///   - company: Whose they are.
    ///   - user: Who sent them.
    /// - Returns: One a file, in the same order.
    /// - Throws: `StorageError`, `DatabaseError`.
    func accept(
        _ files: [ReceivedFile],
        on item: ItemID?,
        in company: CompanyID,
        by user: UserID
    ) async throws -> [AcceptedFile] {
        let places = try await storage.place(files.map(\.spooled), of: company)
        FaultPoint.apiLinked.reach()
        let new = zip(files, places).map { file, place in
            NewAsset(kind: file.kind, filename: file.filename, contentType: file.contentType, file: place)
        }
        let stored = try await assets.accept(new, on: item, in: company, by: user)
        FaultPoint.apiCommitted.reach()
        let accepted = zip(new, stored).map { AcceptedFile(asset: $1, isDuplicate: $0.id != $1.id) }
        jobs.announce(zip(new, accepted).compactMap { $0.announcement(of: $1) })
        FaultPoint.apiAnnounced.reach()
        return accepted
    }
}

/// What became of a file.
struct AcceptedFile: Sendable {
    let asset: Asset
    /// Whether the item held these bytes already: then this is the asset that was there.
    let isDuplicate: Bool

    var view: AssetView { AssetView(asset, duplicate: isDuplicate) }
}

extension NewAsset {
    /// The job to announce; nil for a file that needs none or was there already.
    fileprivate func announcement(of file: AcceptedFile) -> JobRow? {
        guard !file.isDuplicate, let job, let kind = Job.Kind(processing: kind) else { return nil }
        return JobRow(id: job, kind: kind)
    }
}
