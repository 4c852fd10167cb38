import Database
import Foundation
import HTTPTypes
import Hummingbird
import Logging
import Models
import NIOCore
import Storage

/// Begins, takes and lets go of uploads that come in several requests.
///
/// One request writes an upload at a time, among all processes: the one that has locked its file. A newer one makes the
/// older let go, since a client comes twice only when its first connection is dead, whatever this side believes.
struct ResumableUploads: Sendable {
    /// How long a request waits for an older one to let go.
    private static let patience = Duration.seconds(10)
    /// How often it repeats that it waits.
    private static let claimInterval = Duration.seconds(1)
    /// How long it leaves the older one alone: what is still on its way from a connection that broke is kept, and a
    /// request that was overtaken by its client's next one has been found dead.
    private static let courtesy = Duration.milliseconds(150)

    let storage: LocalStorage
    let uploads: UploadRepository
    let holds: UploadHolds
    let settings: ResumableSettings

    /// Begins an upload: makes its file, and its row.
    ///
    /// - Parameters:
    ///   - new: What it is.
    ///   - bytes: How many of its bytes are sure to come; room is taken for them.
    ///   - most: How many there may be.
    ///   - company: Whose it is.
    ///   - user: Who begins it.
    ///   - writer: The request.
    /// - Returns: The upload, held.
    /// - Throws: `StorageError.full`; `too_many_uploads`.
    func begin(
        _ new: NewUpload,
        expecting bytes: Int64?,
        upTo most: Int64,
        in company: CompanyID,
        by user: UserID,
        writer: UploadWriter
    ) async throws -> UploadHold {
        let token = UUID()
        let file = try await storage.makeUpload(new.id, expecting: bytes, upTo: new.length ?? most)
        do {
            let upload = try await uploads.add(
                new,
                in: company,
                by: user,
                on: file.volume.name,
                sums: RunningSums().encoded,
                holder: token,
                life: settings.life,
                maximum: settings.maximumUnfinished
            )
            guard let upload else { throw tooMany }
            return hold(upload, token, file, writer)
        } catch {
            await file.close()
            // A file without a row that stays is the collector's.
            try? await storage.removeUpload(new.id, on: file.volume.name)
            throw error
        }
    }

    /// Takes an upload for a request, from whichever request has it.
    ///
    /// - Returns: The upload, held; nil if it was finished meanwhile, or long ago.
    /// - Throws: `not_found`; `upload_busy` if the older request does not let go; `upload_lost`.
    func take(_ id: UploadID, in company: CompanyID, writer: UploadWriter) async throws -> UploadHold? {
        let token = UUID()
        let started = ContinuousClock.now
        var nextClaim = started + Self.courtesy
        while true {
            guard let upload = try await uploads.find(id, in: company) else { throw APIError.notFound("upload") }
            if upload.asset != nil { return nil }
            do {
                if let file = try await storage.lockUpload(id, on: upload.volume) {
                    return try await resume(id, in: company, token, file, writer)
                }
            } catch let error as StorageError where error.kind == .missing {
                try await requireFinished(upload)
                return nil
            }
            let now = ContinuousClock.now
            guard now < started + Self.patience else { throw APIError.uploadBusy }
            if now >= nextClaim {
                nextClaim = now + Self.claimInterval
                guard writer.connection.isActive else { throw APIError.incomplete }
                holds.cut(id)
                try await uploads.claim(id, by: token)
            }
            try await Task.sleep(for: .milliseconds(30))
        }
    }

    /// Lets go of an upload, and of its file.
    func release(_ hold: UploadHold) async {
        holds.remove(hold)
        await hold.stopCheckpoints()
        await hold.file.close()
        // A name that stays in the row harms nobody: the lock decides.
        await Task { try? await uploads.release(hold.upload.id, holder: hold.token) }.value
    }

    /// Removes an upload that is held, with its bytes.
    func remove(_ hold: UploadHold) async throws {
        try await storage.removeUpload(hold.upload.id, on: hold.upload.volume)
        try await uploads.delete(hold.upload.id, in: hold.upload.company)
    }

    private func resume(
        _ id: UploadID,
        in company: CompanyID,
        _ token: UUID,
        _ file: UploadFile,
        _ writer: UploadWriter
    ) async throws -> UploadHold? {
        do {
            // Read again: until the lock was ours it could change.
            guard let upload = try await uploads.take(id, in: company, holder: token) else {
                throw APIError.notFound("upload")
            }
            guard upload.asset == nil else {
                await file.close()
                return nil
            }
            guard let sums = RunningSums(encoded: upload.sums, bytes: upload.offset) else { throw APIError.unexpected }
            try await file.resume(at: sums, expecting: upload.length)
            return hold(upload, token, file, writer)
        } catch {
            await file.close()
            throw error
        }
    }

    /// The file of an unfinished upload is gone: then the upload is as well, unless it has just been finished.
    private func requireFinished(_ upload: Upload) async throws {
        guard let now = try await uploads.find(upload.id, in: upload.company) else { throw APIError.notFound("upload") }
        guard now.asset == nil else { return }
        try await uploads.delete(upload.id, in: upload.company)
        throw APIError.uploadLost
    }

    private func hold(_ upload: Upload, _ token: UUID, _ file: UploadFile, _ writer: UploadWriter) -> UploadHold {
        let hold = UploadHold(
            upload,
            token: token,
            file: file,
            uploads: uploads,
            life: settings.life,
            writer: writer
        )
        holds.add(hold)
        return hold
    }

    private var tooMany: APIError {
        APIError(
            status: .tooManyRequests,
            code: "too_many_uploads",
            detail: "\(settings.maximumUnfinished) uploads of your company are not finished yet."
                + " Finish some, or delete them."
        ).retry(after: 60)
    }
}

extension APIError {
    fileprivate static let uploadBusy = APIError(
        status: .init(code: 423, reasonPhrase: "Locked"),
        code: "upload_busy",
        detail: "Another request is writing this upload and does not let go yet. Try again in a few seconds."
    ).retry(after: 5)

    fileprivate static let uploadLost = APIError(
        status: .gone,
        code: "upload_lost",
        detail: "The bytes of this upload are not there any more. Begin a new one."
    )
}
