import FaultPoints
import Hummingbird
import Models
import NIOCore

import struct Crypto.SHA256

/// The body of one upload as it arrives: no longer than allowed, no slower, and no faster than its reader takes it.
///
/// ```swift
/// var body = UploadBody(request, context, limit: …, orThrow: …, minimumRate: …)
/// while let chunk = try await body.next() { … }
/// ```
struct UploadBody {
    /// How many bytes the connection is told of at once: each time wakes it. Less than the smallest window, since a
    /// connection that waits for its reader is waited for by it.
    private static let toldBytes = 32 << 10

    private let context: any ConnectedContext
    private let tooLong: APIError
    private let limit: Int64
    private let started = ContinuousClock.now
    private var iterator: RequestBody.AsyncIterator
    private var pace: BodyPace
    private var taken = 0
    private var sha256: SHA256?
    /// Bytes so far.
    private(set) var bytes: Int64 = 0

    /// Lets the client send the body: everything that could refuse the request without it has been checked.
    ///
    /// - Parameters:
    ///   - request: Whose body it is.
    ///   - context: Of the request.
    ///   - limit: Bytes it may have.
    ///   - tooLong: What one with more is answered.
    ///   - minimumRate: Bytes a second below which it is cut; see ``BodyPace``.
    ///   - isHashed: Whether the digest of the whole body is wanted.
    init(
        _ request: Request,
        _ context: some ConnectedContext,
        limit: Int64,
        orThrow tooLong: APIError,
        minimumRate: Int64,
        isHashed: Bool = false
    ) {
        self.context = context
        self.limit = limit
        self.tooLong = tooLong
        iterator = request.body.makeAsyncIterator()
        pace = BodyPace(minimum: minimumRate)
        sha256 = isHashed ? SHA256() : nil
        FaultPoint.apiHeader.reach()
        context.acceptUpload()
    }

    /// The next bytes; nil at the end. Asking for more says that what came before need not be waited for.
    mutating func next() async throws -> ByteBuffer? {
        if taken >= Self.toldBytes {
            context.takeUpload(taken)
            taken = 0
        }
        guard let chunk = try await iterator.next(isolation: #isolation) else { return nil }
        taken += chunk.readableBytes
        bytes += Int64(chunk.readableBytes)
        guard bytes <= limit else { throw tooLong }
        try pace.received(chunk.readableBytes, at: ContinuousClock.now - started)
        chunk.withUnsafeReadableBytes { sha256?.update(bufferPointer: $0) }
        return chunk
    }

    /// Of everything so far; nil if the body is not hashed.
    var digest: SHA256Digest? { sha256.flatMap { SHA256Digest(bytes: $0.finalize()) } }
}
