import FaultPoints
import Foundation
import HTTPTypes
import Hummingbird
import Models
import NIOCore
import RawStructuredFieldValues

import protocol Crypto.HashFunction
import enum Crypto.Insecure
import struct Crypto.SHA256

/// The body of one upload as it arrives: no longer than allowed, no slower, and no faster than its reader takes it.
///
/// ```swift
/// var body = UploadBody(of: request, context, limit: …, orThrow: …, minimumRate: …)
/// body.accept()
/// while let chunk = try await body.next() { … }
/// try body.verify()
/// ```
struct UploadBody {
    /// How many bytes the connection is told of at once: each time passes all its handlers. Less than the smallest window,
    /// since a connection that waits for its reader is waited for by it.
    private static let toldBytes = 32 << 10

    private let request: Request
    private let context: any ConnectedContext
    private let tooLong: () -> APIError
    private let limit: Int64
    private let expected: ExpectedDigest
    private let started = ContinuousClock.now
    private var iterator: RequestBody.AsyncIterator
    private var pace: BodyPace
    private var taken = 0
    private var sha256: SHA256?
    private var checksum: TusChecksum?
    private(set) var bytes: Int64 = 0

    /// A body of more than `limit` bytes is refused with `tooLong`; one slower than `minimumRate` (bytes a second, see
    /// ``BodyPace``) is cut.
    init(
        of request: Request,
        _ context: some ConnectedContext,
        limit: Int64,
        orThrow tooLong: @autoclosure @escaping () -> APIError,
        minimumRate: Int64,
        expecting expected: ExpectedDigest = ExpectedDigest()
    ) {
        self.request = request
        self.context = context
        self.limit = limit
        self.tooLong = tooLong
        self.expected = expected
        iterator = request.body.makeAsyncIterator()
        pace = BodyPace(minimum: minimumRate)
        sha256 = expected.ofBody.isEmpty ? nil : SHA256()
        checksum = expected.checksum
    }

    /// Lets the client send the body: everything that could refuse the request without it has been checked.
    ///
    /// It answers `Expect: 100-continue`, and opens the connection's window for an upload, unless that is so short that
    /// nothing would be told of its bytes.
    func accept() {
        FaultPoint.apiHeader.reach()
        let length = request.headers[.contentLength].flatMap { Int($0) }
        if let length, length < Self.toldBytes {
            context.acceptBody(of: request)
        } else {
            context.acceptUpload(request)
        }
    }

    /// The next bytes; nil at the end. Asking for more reports those before as taken.
    mutating func next() async throws -> ByteBuffer? {
        if taken >= Self.toldBytes {
            context.takeUpload(taken)
            taken = 0
        }
        guard let chunk = try await iterator.next(isolation: #isolation) else { return nil }
        taken += chunk.readableBytes
        bytes += Int64(chunk.readableBytes)
        guard bytes <= limit else { throw tooLong() }
        try pace.received(chunk.readableBytes, at: ContinuousClock.now - started)
        chunk.withUnsafeReadableBytes { sha256?.update(bufferPointer: $0) }
        checksum?.update(chunk)
        return chunk
    }

    /// Compares the whole body with the declared digests. Throws `digest_mismatch`, `checksum_mismatch`.
    func verify() throws(APIError) {
        try checksum?.verify()
        guard let digest = sha256.flatMap({ SHA256Digest(bytes: $0.finalize()) }) else { return }
        try expected.verify(body: digest)
    }
}

/// Distinguishes a body that drips from one that pauses.
///
/// A phone without signal sends nothing for minutes and then continues, so seconds without a packet do not count. A
/// client that holds a connection with a byte now and then is found out by the seconds with packets.
struct BodyPace: Sendable {
    /// Seconds with packets in them that are judged together.
    static let judgedSeconds = 30

    /// Bytes a second; 0 takes whatever comes.
    let minimum: Int64
    private var second: Int64?
    private var seconds = 0
    private var bytes: Int64 = 0

    init(minimum: Int64) {
        self.minimum = minimum
    }

    /// Counts a packet of `count` bytes, `time` after the body began; times never decrease.
    ///
    /// - Throws: `too_slow`, once half a minute of packets has brought less than half a minute's minimum.
    mutating func received(_ count: Int, at time: Duration) throws(APIError) {
        guard minimum > 0 else { return }
        let now = time.components.seconds
        if let second, now > second {
            seconds += 1
            if seconds == Self.judgedSeconds {
                guard bytes >= minimum * Int64(Self.judgedSeconds) else { throw .tooSlow }
                seconds = 0
                bytes = 0
            }
        }
        second = now
        bytes += Int64(count)
    }
}

/// The digests a request declares: RFC 9530's `Content-Digest` and `Repr-Digest`, and the `Upload-Checksum` of tus. Of
/// RFC 9530 only `sha-256` is read; other algorithms are ignored, as it asks.
struct ExpectedDigest: Sendable {
    /// Of the body of the request: `Content-Digest`, and `Repr-Digest` where the body is the whole file.
    private(set) var ofBody: [SHA256Digest] = []
    /// `Repr-Digest`: of the whole file, however many requests it comes in.
    private(set) var whole: SHA256Digest?
    /// `Upload-Checksum`: of the body of the request.
    private(set) var checksum: TusChecksum?

    init() {}

    /// Reads the headers of a request whose body is everything: both digests are of it, since none is ever encoded.
    ///
    /// - Throws: `bad_digest` for what is no dictionary of byte sequences (RFC 9651), or no SHA-256.
    init(ofWhole headers: HTTPFields) throws(APIError) {
        whole = try Self.sha256(in: headers[.reprDigest])
        ofBody = [try Self.sha256(in: headers[.contentDigest]), whole].compactMap(\.self)
    }

    /// Reads the headers of a request whose body may be a part of the file. Throws `bad_digest`, `bad_checksum`.
    init(ofPart headers: HTTPFields) throws(APIError) {
        checksum = try headers[.uploadChecksum].map(TusChecksum.init)
        whole = try Self.sha256(in: headers[.reprDigest])
        ofBody = [try Self.sha256(in: headers[.contentDigest])].compactMap(\.self)
    }

    /// Whether arrived bytes may turn out to be wrong: they do not count before the whole body is here.
    var coversBody: Bool { checksum != nil || !ofBody.isEmpty }

    /// - Throws: `digest_mismatch`.
    func verify(body arrived: SHA256Digest) throws(APIError) {
        for digest in ofBody { try Self.verify(arrived, is: digest) }
    }

    /// - Throws: `digest_mismatch`.
    static func verify(_ arrived: SHA256Digest, is named: SHA256Digest) throws(APIError) {
        guard named == arrived else {
            throw .badRequest(
                "digest_mismatch",
                "The bytes that arrived have the SHA-256 \(arrived), not the one the request names. Send it again."
            )
        }
    }

    /// The last `sha-256` of a dictionary; nil if there is none.
    private static func sha256(in field: String?) throws(APIError) -> SHA256Digest? {
        guard let field else { return nil }
        var parser = StructuredFieldValueParser(Array(field.utf8))
        guard let dictionary = try? parser.parseDictionaryFieldValue(), !dictionary.isEmpty else { throw .badDigest }
        var digest: SHA256Digest?
        for (algorithm, member) in dictionary {
            guard case .item(let item) = member, case .undecodedByteSequence(let base64) = item.rfc9651BareItem,
                // Padding may be left out (RFC 9651 4.2.7), which Foundation does not take.
                let bytes = Data(base64Encoded: base64 + String(repeating: "=", count: -base64.utf8.count & 3))
            else { throw .badDigest }
            guard algorithm == "sha-256" else { continue }
            guard bytes.count == SHA256.byteCount else { throw .badDigest }
            digest = SHA256Digest(bytes: bytes)
        }
        return digest
    }
}

/// `Upload-Checksum` of tus: what the body of one request has to add up to.
struct TusChecksum: Sendable {
    static let algorithms = "sha1,sha256,md5"

    private var sum: any HashFunction
    private let expected: Data

    /// - Throws: `bad_checksum` for an algorithm that is not known, or what is no sum of it.
    init(_ header: String) throws(APIError) {
        let parts = header.split(separator: " ")
        let known: [Substring: (sum: any HashFunction, bytes: Int)] = [
            "sha1": (Insecure.SHA1(), Insecure.SHA1.byteCount),
            "sha256": (SHA256(), SHA256.byteCount),
            "md5": (Insecure.MD5(), Insecure.MD5.byteCount),
        ]
        guard parts.count == 2, let (sum, bytes) = known[parts[0]],
            let expected = Data(base64Encoded: String(parts[1])), expected.count == bytes
        else { throw .badChecksum }
        self.sum = sum
        self.expected = expected
    }

    mutating func update(_ chunk: ByteBuffer) {
        chunk.withUnsafeReadableBytes { sum.update(bufferPointer: $0) }
    }

    /// - Throws: `checksum_mismatch`.
    func verify() throws(APIError) {
        func digest(_ sum: some HashFunction) -> Data { Data(sum.finalize()) }
        guard digest(sum) == expected else { throw .checksumMismatch }
    }
}

extension HTTPFields {
    /// The media type of the body, in lower case and without parameters.
    var mediaType: String? {
        self[.contentType]?.prefix { $0 != ";" && $0 != " " }.lowercased()
    }
}

extension HTTPField.Name {
    static let contentDigest = HTTPField.Name.known("Content-Digest")
    static let reprDigest = HTTPField.Name.known("Repr-Digest")
}

extension APIError {
    fileprivate static let tooSlow = APIError(
        status: .requestTimeout,
        code: "too_slow",
        detail: "The body arrives too slowly. Send the file again over a better link, or as a resumable upload."
    )

    fileprivate static let badDigest = badRequest(
        "bad_digest",
        "Content-Digest and Repr-Digest look like “sha-256=:<base64 of the 32 bytes>:”."
    )
}
