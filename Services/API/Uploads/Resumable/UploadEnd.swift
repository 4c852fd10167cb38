import Database
import Hummingbird
import Logging
import Models
import Storage

/// Makes an asset of an upload whose last byte is here: a link and a commit, however long it was.
struct UploadEnd: Sendable {
    let storage: LocalStorage
    let items: ItemRepository
    let uploads: UploadRepository
    let holds: UploadHolds
    let acceptance: Acceptance
    let settings: ResumableSettings

    /// Ends an upload. If the process dies in between, whoever asks for the upload next does what is left.
    ///
    /// - Parameters:
    ///   - hold: The upload, held; every byte is there.
    ///   - logger: Of the request.
    /// - Returns: What became of it.
    /// - Throws: `RefusedUpload` if its item is gone, or it is not what was promised; `StorageError`, `DatabaseError`: it
    ///   can be tried again.
    func finish(_ hold: UploadHold, logger: Logger) async throws -> AcceptedFile {
        let upload = hold.upload
        guard let content = hold.content else { throw APIError.unexpected }
        if let item = upload.item, try await items.find(item, in: upload.company) == nil {
            throw RefusedUpload(reason: APIError.itemGone)
        }
        if let promised = hold.promised, let digest = try await hold.file.sums().digest {
            do { try BodyDigest(whole: promised).verify(digest) } catch { throw RefusedUpload(reason: error) }
        }
        let spooled = try await hold.seal()
        // From here on its connection is only waited at for the answer.
        holds.remove(hold)
        let file = ReceivedFile(
            kind: content.kind,
            filename: try Filename(cleaning: upload.filename.utf8).label(for: content.type),
            contentType: content.type,
            spooled: spooled
        )
        let accepted = try await acceptance.accept([file], on: upload.item, in: upload.company, by: upload.user)
        guard let accepted = accepted.first else { throw APIError.unexpected }
        do {
            try await uploads.end(upload.id, as: accepted.asset.id, life: settings.life)
            try await storage.removeUpload(upload.id, on: upload.volume)
        } catch {
            // The asset is there. The name in the spool goes with the upload's time.
            logger.warning("A finished upload could not be tidied up", metadata: ["error": "\(error)"])
        }
        return accepted
    }
}

extension APIError {
    fileprivate static let itemGone = APIError(
        status: .unprocessableContent,
        code: "item_gone",
        detail: "The item this upload is about was deleted meanwhile. Send the file to another one."
    )
}
