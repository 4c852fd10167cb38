import Foundation
import HTTPTypes
import Hummingbird
import Logging
import Models
import NIOCore
import ServiceLifecycle
import Storage
import Synchronization

/// An upload while one request writes it: the request has locked its file, and its row names the request.
///
/// What has arrived is put on stable storage and recorded every 16 MiB or 10 s, while more arrives; a process that dies
/// loses no more than that, and no byte that was answered for.
final class UploadLease: Sendable {
    private static let checkpointBytes: Int64 = 16 << 20
    private static let checkpointTime = Duration.seconds(10)
    /// Beyond this the body waits for the disk and the database.
    private static let unsavedBytes: Int64 = 64 << 20

    private struct State {
        var length: Int64?
        var content: Asset.Content?
        var expectedDigest: SHA256Digest?
        /// Bytes handed to the file.
        var offset: Int64
        /// Bytes it may have, by the limits of unfinished uploads.
        var reserved: Int64
        /// Bytes that are recorded.
        var saved: Int64
        var savedAt = ContinuousClock.now
        var isChanged = false
        var isRefused = false
        var takesCheckpoints = true
        var saving: Task<Void, any Error>?

        mutating func change<Value: Equatable>(_ property: WritableKeyPath<State, Value>, to value: Value) {
            isChanged = isChanged || self[keyPath: property] != value
            self[keyPath: property] = value
        }
    }

    /// As it stood when the request took it.
    let upload: Upload
    /// The request, as the row names it.
    let token: UUID
    let file: UploadFile
    private let uploads: UploadRepository
    private let life: Duration
    private let writer: UploadWriter
    private let state: Mutex<State>

    /// `file` is locked; the upload may have `reserved` bytes, and lives for `life` from each time it is recorded.
    init(
        _ upload: Upload,
        token: UUID,
        file: UploadFile,
        reserved: Int64,
        uploads: UploadRepository,
        life: Duration,
        writer: UploadWriter
    ) {
        self.upload = upload
        self.token = token
        self.file = file
        self.uploads = uploads
        self.life = life
        self.writer = writer
        state = Mutex(
            State(
                length: upload.length,
                content: upload.content,
                expectedDigest: upload.expectedDigest,
                offset: upload.offset,
                reserved: reserved,
                saved: upload.offset
            )
        )
    }

    /// Bytes that are here, recorded or not.
    var offset: Int64 { state.withLock { $0.offset } }

    /// Bytes it may have until its request asks for more.
    var reserved: Int64 {
        get { state.withLock { $0.reserved } }
        set { state.withLock { $0.reserved = newValue } }
    }

    /// Declared length in bytes; nil while it is unknown.
    var length: Int64? {
        get { state.withLock { $0.length } }
        set { state.withLock { $0.change(\.length, to: newValue) } }
    }

    /// What its first bytes say; nil until they are here.
    var content: Asset.Content? {
        get { state.withLock { $0.content } }
        set { state.withLock { $0.change(\.content, to: newValue) } }
    }

    /// The digest the client declared for the whole file; nil if none.
    var expectedDigest: SHA256Digest? {
        get { state.withLock { $0.expectedDigest } }
        set { state.withLock { $0.change(\.expectedDigest, to: newValue) } }
    }

    /// When it expires, counted from the last time it was recorded.
    var expiresAt: Date {
        let unsaved = ContinuousClock.now - state.withLock { $0.savedAt }
        return Date(timeIntervalSinceNow: (life - unsaved) / .seconds(1))
    }

    /// Whether it is removed with its request: its bytes can never be stored, or its client does not know its address.
    var endsWithRequest: Bool { state.withLock { $0.isRefused } || !writer.knowsUpload }

    /// Marks what has arrived as bytes that can never be stored.
    func refuse() {
        state.withLock { $0.isRefused = true }
    }

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

    /// Ends the request's connection, whatever it waits for: another request wants the upload.
    func cut() {
        writer.connection.close(promise: nil)
    }

    // MARK: Checkpoints

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
                    writer.progress(self.state.withLock { $0.saved })
                } catch {
                    writer.logger.warning("A checkpoint of an upload failed", metadata: ["error": "\(error)"])
                    throw error
                }
            }
        }
    }

    /// Keeps what comes from being recorded before the request says so: its sum may turn out to be wrong.
    func withholdCheckpoints() {
        state.withLock { $0.takesCheckpoints = false }
    }

    /// Waits for the checkpoint under way; there will be no other.
    func stopCheckpoints() async {
        let saving = state.withLock { state in
            state.takesCheckpoints = false
            return state.saving
        }
        _ = await saving?.result
    }

    private func record(_ sums: RunningSums, finished: FinishedFile? = nil) async throws {
        let (length, content, digest) = state.withLock { ($0.length, $0.content, $0.expectedDigest) }
        let progress = UploadProgress(
            offset: sums.bytes,
            sums: sums.encoded,
            length: finished?.stored.bytes ?? length,
            content: content,
            sha256: finished?.stored.sha256,
            expectedDigest: digest
        )
        guard try await uploads.save(upload.id, progress, holder: token, life: life) else { throw APIError.uploadTaken }
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
    /// Whether its client has been told the upload's address, so that it can come back to it.
    let knowsUpload: Bool
    /// Called with every offset that is recorded while the body arrives.
    let progress: @Sendable (Int64) -> Void
}

extension UploadWriter {
    /// `interim`: whether the client may get interim responses.
    init(_ context: UserContext, _ spoken: ResumableProtocol, interim: Bool = false, knowsUpload: Bool = true) {
        let channel = context.channel
        var progress: @Sendable (Int64) -> Void = { _ in }
        if interim, case .draft(let version) = spoken, version >= 5 {
            progress = { spoken.inform([.uploadOffset: "\($0)"], over: channel) }
        }
        self.init(connection: channel, logger: context.logger, knowsUpload: knowsUpload, progress: progress)
    }
}

/// The uploads this process is writing. Once a second it looks whether other processes want one of them.
final class UploadLeases: Service {
    private static let interval = Duration.seconds(1)

    private let uploads: UploadRepository
    private let logger: Logger
    private let leases = Mutex<[UUID: UploadLease]>([:])

    init(uploads: UploadRepository, logger: Logger) {
        self.uploads = uploads
        self.logger = logger
    }

    func add(_ lease: UploadLease) {
        leases.withLock { $0[lease.token] = lease }
    }

    /// From now on nobody cuts its request.
    func remove(_ lease: UploadLease) {
        leases.withLock { $0[lease.token] = nil }
    }

    /// Ends whatever this process is writing to an upload: a newer request wants it.
    func cut(_ upload: UploadID) {
        for lease in current where lease.upload.id == upload { lease.cut() }
    }

    /// Watches until the process is told to stop. Then every body is cut: what has arrived is recorded, and its client
    /// goes on with another process rather than with a connection that is about to go.
    func run() async throws {
        try? await cancelWhenGracefulShutdown {
            while true {
                try await Task.sleep(for: Self.interval)
                await self.look()
            }
        }
        for lease in current { lease.cut() }
    }

    private var current: [UploadLease] { Array(leases.withLock { $0.values }) }

    private func look() async {
        let current = current
        guard !current.isEmpty else { return }
        for lease in current { lease.startCheckpointIfDue() }
        do {
            let unwanted = try await uploads.unwanted(current.map { ($0.upload.id, $0.token) })
            // One that has ended meanwhile is not ours any more, and its connection may serve another request.
            for lease in self.current where unwanted.contains(lease.token) { lease.cut() }
        } catch {
            logger.warning("It is not known whether others want these uploads", metadata: ["error": "\(error)"])
        }
    }
}
