import Foundation
import HTTPTypes
import Hummingbird
import Logging
import Models
import NIOCore
import Storage

/// Uploads that come in several requests, from the first byte to the asset.
///
/// One request writes an upload at a time, among all processes: the one that has locked its file. A newer request makes
/// the older one let go, since a client comes twice only when its first connection is dead.
struct ResumableUploads: Sendable {
    /// How long a request waits for an older one to let go.
    private static let acquireTimeout = Duration.seconds(10)
    /// How often it repeats that it waits.
    private static let claimInterval = Duration.seconds(1)
    /// How long it leaves the older one alone: what is still on its way from a connection that broke is kept, and a
    /// request that was overtaken by its client's next one has been found dead.
    private static let grace = Duration.milliseconds(150)
    /// How many bytes more than it has an upload without a declared length asks for, where it may have them.
    private static let reservedStep: Int64 = 16 << 20

    let storage: LocalStorage
    let uploads: UploadRepository
    let leases: UploadLeases
    let items: ItemRepository
    let ingest: AssetIngest
    let limits: UploadLimits

    // MARK: - Leases

    /// Begins an upload: makes its file and its row, and leases it to the request. There is room for `bytes`, those that
    /// are sure to come. Throws `StorageError.full`; `too_many_uploads`, `too_many_upload_bytes`.
    func begin(
        _ new: NewUpload,
        expecting bytes: Int64?,
        in company: CompanyID,
        by user: UserID,
        for writer: UploadWriter
    ) async throws -> UploadLease {
        let token = UUID()
        let file = try await storage.makeUpload(new.id, expecting: bytes, upTo: new.length ?? limits.fileBytes)
        do {
            let admission = try await uploads.add(
                new,
                in: company,
                by: user,
                on: file.volume.name,
                reserved: bytes ?? 0,
                sums: RunningSums().encoded,
                holder: token,
                life: limits.unfinishedLife,
                limits: limits.unfinished
            )
            switch admission {
            case .added(let upload): return lease(upload, token, file, writer, reserved: bytes ?? 0)
            case .refused(let excess): throw APIError.tooManyUploads(excess, limits.unfinished)
            case nil: throw APIError.unexpected
            }
        } catch {
            await file.close()
            // The collector removes a file that stays without a row.
            try? await storage.removeUpload(new.id, on: file.volume.name)
            throw error
        }
    }

    /// Takes an upload over from whichever request has it; nil if it is finished.
    ///
    /// - Throws: `not_found`; `upload_busy` if the older request does not let go; `upload_lost`.
    func acquire(_ id: UploadID, in company: CompanyID, for writer: UploadWriter) async throws -> UploadLease? {
        let token = UUID()
        let started = ContinuousClock.now
        var nextClaim = started + Self.grace
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
            guard now < started + Self.acquireTimeout else { throw APIError.uploadBusy }
            if now >= nextClaim {
                nextClaim = now + Self.claimInterval
                guard writer.connection.isActive else { throw APIError.incomplete }
                leases.cut(id)
                try await uploads.claim(id, by: token)
            }
            try await Task.sleep(for: .milliseconds(30))
        }
    }

    /// Gives a lease back whatever happens. An upload that ends with its request is removed if that fails.
    func withLease<Value>(_ lease: UploadLease, _ body: () async throws -> Value) async throws -> Value {
        do {
            let value = try await body()
            await release(lease)
            return value
        } catch {
            if lease.endsWithRequest {
                await lease.stopCheckpoints()
                // What stays is removed when the upload expires.
                await Task { try? await remove(lease) }.value
            }
            await release(lease)
            throw error
        }
    }

    /// Gives a lease back: lets go of the upload and of its file.
    func release(_ lease: UploadLease) async {
        leases.remove(lease)
        await lease.stopCheckpoints()
        await lease.file.close()
        // A stale holder in the row is harmless: the lock decides.
        await Task { try? await uploads.release(lease.upload.id, holder: lease.token) }.value
    }

    func remove(_ lease: UploadLease) async throws {
        try await storage.removeUpload(lease.upload.id, on: lease.upload.volume)
        try await uploads.delete(lease.upload.id, in: lease.upload.company)
    }

    private func resume(
        _ id: UploadID,
        in company: CompanyID,
        _ token: UUID,
        _ file: UploadFile,
        _ writer: UploadWriter
    ) async throws -> UploadLease? {
        do {
            // Read again: it could change until this request had the lock.
            guard let upload = try await uploads.take(id, in: company, holder: token) else {
                throw APIError.notFound("upload")
            }
            guard upload.asset == nil else {
                await file.close()
                return nil
            }
            guard let sums = RunningSums(encoded: upload.sums, bytes: upload.offset) else { throw APIError.unexpected }
            try await file.resume(at: sums, expecting: upload.length)
            return lease(upload, token, file, writer, reserved: upload.offset)
        } catch {
            await file.close()
            throw error
        }
    }

    /// If the file of an unfinished upload is gone, so is the upload, unless it has just been finished.
    private func requireFinished(_ upload: Upload) async throws {
        guard let now = try await uploads.find(upload.id, in: upload.company) else { throw APIError.notFound("upload") }
        guard now.asset == nil else { return }
        try await uploads.delete(upload.id, in: upload.company)
        throw APIError.uploadLost
    }

    private func lease(
        _ upload: Upload,
        _ token: UUID,
        _ file: UploadFile,
        _ writer: UploadWriter,
        reserved: Int64
    ) -> UploadLease {
        let lease = UploadLease(
            upload,
            token: token,
            file: file,
            reserved: upload.length ?? reserved,
            uploads: uploads,
            life: limits.unfinishedLife,
            writer: writer
        )
        leases.add(lease)
        return lease
    }

    // MARK: - Bytes

    /// Takes the body of a request. If it is cut, or meets a full disk or a limit of unfinished uploads, what has arrived
    /// is kept, unless a checksum was declared for it.
    ///
    /// - Throws: What `IncomingFile.append` throws, after which the upload goes; `upload_too_long`, `file_too_large`;
    ///   `checksum_mismatch`, `digest_mismatch`; `StorageError.full` and `too_many_upload_bytes`, before the body if its
    ///   length is known; whatever ended the connection.
    func append(
        _ request: Request,
        _ context: UserContext,
        to lease: UploadLease,
        expecting expected: ExpectedDigest
    ) async throws {
        let room = max(0, (lease.length ?? limits.fileBytes) - lease.offset)
        func tooLong() -> APIError { lease.length.map(APIError.uploadTooLong) ?? limits.fileTooLarge }
        let declared = try request.headers.bytes(.contentLength, orThrow: "bad_length")
        guard declared ?? 0 <= room else { throw tooLong() }
        if expected.coversBody { lease.withholdCheckpoints() }
        var file = try await IncomingFile(continuing: lease, limits: limits)
        let known = lease.length ?? declared.map { lease.offset + $0 }
        try await reserve(known ?? lease.offset, for: lease)
        try await lease.file.expect(known)
        let begin = lease.offset
        var body = UploadBody(
            of: request,
            context,
            limit: room,
            orThrow: tooLong(),
            minimumRate: limits.minimumRate,
            expecting: expected
        )
        body.accept()
        do {
            while let chunk = try await next(&body, of: &file, on: lease, keepsCut: !expected.coversBody) {
                try await makeWay(for: begin + body.bytes, of: &file, on: lease, keepsCut: !expected.coversBody)
                try await judging(lease) { try await file.append(chunk) }
            }
            try body.verify()
            try await file.flush()
        } catch let error as StorageError where error.kind == .full {
            if !expected.coversBody { try await lease.save() }
            throw error
        }
        // A request that only waits for its answer need not be cut.
        leases.remove(lease)
    }

    /// Lets the upload have so many bytes, unless it may already. Throws `too_many_upload_bytes`.
    private func reserve(_ bytes: Int64, for lease: UploadLease) async throws {
        guard bytes > lease.reserved else { return }
        let excess = try await uploads.reserve(
            bytes,
            for: lease.upload,
            holder: lease.token,
            limits: limits.unfinished
        )
        if let excess { throw APIError.tooManyUploads(excess, limits.unfinished) }
        lease.reserved = bytes
    }

    /// The same for a body that comes without a length; if it may not come, those bytes before it are kept.
    private func makeWay(
        for bytes: Int64,
        of file: inout IncomingFile,
        on lease: UploadLease,
        keepsCut: Bool
    ) async throws {
        guard bytes > lease.reserved else { return }
        do {
            do {
                try await reserve(min(limits.fileBytes, bytes + Self.reservedStep), for: lease)
            } catch is APIError {
                // Those that are here may be the last.
                try await reserve(bytes, for: lease)
            }
        } catch {
            if keepsCut {
                try await file.flush()
                try await lease.save()
            }
            throw error
        }
    }

    /// Makes an asset of an upload whose last byte is here: a link and a commit, however long it was. If the process dies
    /// in between, whoever asks for the upload next does what is left.
    ///
    /// - Throws: `item_gone`, `digest_mismatch` and what `IncomingFile.end` throws, after which the upload goes;
    ///   `StorageError`, `DatabaseError`: it can be tried again.
    func finish(_ lease: UploadLease, logger: Logger) async throws -> AcceptedFile {
        let upload = lease.upload
        if upload.sha256 == nil {
            var file = try await IncomingFile(continuing: lease, limits: limits)
            try await judging(lease) { try await file.end() }
        }
        guard let content = lease.content else { throw APIError.unexpected }
        if let item = upload.item, try await items.find(item, in: upload.company) == nil {
            lease.refuse()
            throw APIError.itemGone
        }
        if let expected = lease.expectedDigest, let digest = try await lease.file.sums().digest {
            try await judging(lease) { try ExpectedDigest.verify(digest, is: expected) }
        }
        let sealed = try await lease.seal()
        // From here on the connection only waits for the answer.
        leases.remove(lease)
        let file = ReceivedFile(named: Filename(label: upload.filename), content, .written(sealed))
        let accepted = try await ingest.accept(file, on: upload.item, in: upload.company, by: upload.user)
        do {
            try await uploads.end(upload.id, as: accepted.asset.id, life: limits.unfinishedLife)
            try await storage.removeUpload(upload.id, on: upload.volume)
        } catch {
            // The asset is there. The file in the spool is removed when the upload expires.
            logger.warning("A finished upload could not be tidied up", metadata: ["error": "\(error)"])
        }
        return accepted
    }

    /// Makes an asset of parts that were uploaded by themselves.
    // Inlined, it ends the optimizer of Swift 6.3.1 with a signal (splitting a coroutine).
    @inline(never)
    func finish(_ lease: UploadLease, of concatenation: Concatenation, for writer: UploadWriter) async throws
        -> AcceptedFile
    {
        var file = try await IncomingFile(continuing: lease, limits: limits)
        try await concatenation.copy(to: &file, in: lease.upload.company, self, for: writer)
        try await file.flush()
        let accepted = try await finish(lease, logger: writer.logger)
        try await uploads.expireSoon(concatenation.parts, in: lease.upload.company)
        return accepted
    }

    /// The next bytes of a body. If it is cut, those before are kept.
    private func next(
        _ body: inout UploadBody,
        of file: inout IncomingFile,
        on lease: UploadLease,
        keepsCut: Bool
    ) async throws -> ByteBuffer? {
        do {
            return try await body.next()
        } catch {
            // A body that is too long is refused; any other end of it is a cut.
            if (error as? APIError)?.status != .contentTooLarge, keepsCut {
                try await file.flush()
                try await lease.save()
            }
            throw error is APIError ? error : APIError.incomplete.because(error)
        }
    }

    /// Marks the upload as one that can never be stored if `body` throws, unless the storage has failed.
    private func judging(_ lease: UploadLease, _ body: () async throws -> Void) async throws {
        do {
            try await body()
        } catch {
            if !(error is StorageError) { lease.refuse() }
            throw error
        }
    }
}
