import Database
import Foundation
import HTTPTypes
import Logging
import Models
import NIOCore
import Storage
import Synchronization

/// An upload while one request writes it: the request has locked its file, and its row names the request.
///
/// What has arrived is put on stable storage and recorded every 16 MiB or 10 s, while more arrives; a process that dies
/// loses no more than that, and no byte that was answered for.
final class UploadHold: Sendable {
    private static let checkpointBytes: Int64 = 16 << 20
    private static let checkpointTime = Duration.seconds(10)
    /// Beyond this the body waits for the disk and the database.
    private static let unsavedBytes: Int64 = 64 << 20

    private struct State {
        var length: Int64?
        var content: Upload.Content?
        var promised: SHA256Digest?
        /// Bytes handed to the file.
        var offset: Int64
        /// Bytes that are recorded.
        var saved: Int64
        var savedAt = ContinuousClock.now
        var isChanged = false
        var takesCheckpoints = true
        var saving: Task<Void, any Error>?
    }

    /// As it stood when the request took it.
    let upload: Upload
    /// The request, as the row names it.
    let token: UUID
    let file: UploadFile
    /// Whether the client can come back to it, whatever becomes of the request.
    let isKnownToClient: Bool
    private let uploads: UploadRepository
    private let life: Duration
    private let connection: any Channel
    private let logger: Logger
    private let state: Mutex<State>
    /// Told of every offset that is recorded while the body is coming.
    private let progress: @Sendable (Int64) -> Void

    init(
        _ upload: Upload,
        token: UUID,
        file: UploadFile,
        uploads: UploadRepository,
        life: Duration,
        writer: UploadWriter
    ) {
        self.upload = upload
        self.token = token
        self.file = file
        self.uploads = uploads
        self.life = life
        isKnownToClient = writer.knowsUpload
        connection = writer.connection
        logger = writer.logger
        progress = writer.progress
        state = Mutex(
            State(
                length: upload.length,
                content: upload.content,
                promised: upload.promised,
                offset: upload.offset,
                saved: upload.offset
            )
        )
    }

    /// Bytes that are here, recorded or not.
    var offset: Int64 { state.withLock { $0.offset } }

    /// What the client says it will have; nil while that is not known.
    var length: Int64? {
        get { state.withLock { $0.length } }
        set {
            state.withLock { state in
                state.isChanged = state.isChanged || state.length != newValue
                state.length = newValue
            }
        }
    }

    /// What its first bytes say; nil until they are here.
    var content: Upload.Content? {
        get { state.withLock { $0.content } }
        set {
            state.withLock { state in
                state.isChanged = true
                state.content = newValue
            }
        }
    }

    /// What the client says the whole adds up to; nil if it has not said so.
    var promised: SHA256Digest? {
        get { state.withLock { $0.promised } }
        set {
            state.withLock { state in
                state.isChanged = state.isChanged || state.promised != newValue
                state.promised = newValue
            }
        }
    }

    /// When it is forgotten, counted from the last time it was recorded.
    var expiresAt: Date {
        let unsaved = ContinuousClock.now - state.withLock { $0.savedAt }
        return Date(timeIntervalSinceNow: (life - unsaved) / .seconds(1))
    }

    /// Keeps what comes from being recorded before the request says so: its sum may turn out to be wrong.
    func holdBack() {
        state.withLock { $0.takesCheckpoints = false }
    }

    /// Hands bytes to the file.
    ///
    /// - Throws: `StorageError`.
    func append(_ pieces: [ByteBufferView], bytes: Int) async throws {
        try await file.append(pieces: pieces)
        let overdue = state.withLock { state -> Task<Void, any Error>? in
            state.offset += Int64(bytes)
            return state.offset - state.saved > Self.unsavedBytes ? state.saving : nil
        }
        startCheckpointIfDue()
        // Its failure is its own to report; the end of the request tries again.
        _ = await overdue?.result
    }

    /// Puts what has arrived on stable storage and records it, in the background, if the last time is long ago.
    func startCheckpointIfDue() {
        state.withLock { state in
            let unsaved = state.offset - state.saved
            guard state.takesCheckpoints, state.saving == nil, unsaved > 0,
                unsaved >= Self.checkpointBytes || ContinuousClock.now - state.savedAt >= Self.checkpointTime
            else { return }
            state.saving = Task { [self] in
                defer { self.state.withLock { $0.saving = nil } }
                do {
                    try await record(try await file.checkpoint())
                    progress(offsetSaved)
                } catch {
                    logger.warning("A checkpoint of an upload failed", metadata: ["error": "\(error)"])
                    throw error
                }
            }
        }
    }

    /// Puts everything that has arrived on stable storage and records it. The last step of a request that does not end
    /// the upload; a cancelled one takes it as well.
    ///
    /// - Throws: `StorageError`, `DatabaseError`; `upload_taken` if another request has the upload.
    func save() async throws {
        await stopCheckpoints()
        guard state.withLock({ $0.isChanged || $0.offset != $0.saved }) else { return }
        try await Task { [self] in
            let sums = try await file.sums()
            _ = try await file.checkpoint()
            try await record(sums)
        }.value
    }

    /// Ends the file: nobody writes to it from now on, and its row says which bytes it has.
    func seal() async throws -> FinishedFile {
        await stopCheckpoints()
        return try await Task { [self] in
            let sums = try await file.sums()
            let finished = try await file.finish()
            // Before the file gets its address: one that has it must not be written to, whatever is killed.
            if upload.sha256 == nil { try await record(sums, finished: finished) }
            return finished
        }.value
    }

    /// Waits for the checkpoint under way; there will be no other.
    func stopCheckpoints() async {
        let saving = state.withLock { state in
            state.takesCheckpoints = false
            return state.saving
        }
        _ = await saving?.result
    }

    /// Ends the request's connection, whatever it is waiting for: another wants the upload.
    func cut() {
        connection.close(promise: nil)
    }

    private var offsetSaved: Int64 { state.withLock { $0.saved } }

    private func record(_ sums: RunningSums, finished: FinishedFile? = nil) async throws {
        let (length, content, promised) = state.withLock { ($0.length, $0.content, $0.promised) }
        let standing = UploadStanding(
            offset: sums.bytes,
            sums: sums.encoded,
            length: finished?.stored.bytes ?? length,
            content: content,
            sha256: finished?.stored.sha256,
            promised: promised
        )
        guard try await uploads.save(upload.id, standing, holder: token, life: life) else { throw APIError.uploadTaken }
        state.withLock { state in
            state.saved = sums.bytes
            state.savedAt = .now
            state.isChanged = false
        }
    }
}

/// The request that writes an upload, as far as others deal with it.
struct UploadWriter: Sendable {
    let connection: any Channel
    let logger: Logger
    /// Whether its client has been told the upload's address.
    let knowsUpload: Bool
    /// Told of every offset that is recorded while the body is coming.
    let progress: @Sendable (Int64) -> Void
}

extension APIError {
    static let uploadTaken = APIError(
        status: .conflict,
        code: "upload_taken",
        detail: "Another request goes on with this upload. Ask where it stands before you send more."
    )
}
