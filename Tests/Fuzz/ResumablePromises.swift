import Foundation
import HTTPTypes
import Hummingbird
import Models
import NIOCore

@testable import API

/// What is promised about the heads of resumable uploads. An input is one of them.
enum ResumablePromises {
    static func check(_ input: [UInt8]) throws(BrokenPromise) {
        let head = RequestHead(input)
        let request = Request(head: head.head, body: RequestBody(buffer: ByteBuffer()))
        try refusable {
            for name in [HTTPField.Name.uploadLength, .uploadOffset, .contentLength] {
                try checkBytes(head.headers, name)
            }
        }
        try refusable {
            let digests = try ExpectedDigest(ofPart: head.headers)
            let whole = try ExpectedDigest(ofWhole: head.headers)
            try require(digests.whole == whole.whole, "one Repr-Digest is two")
            try require(digests.checksum == nil || digests.coversBody, "a checksum that is not looked at")
        }
        try refusable {
            let parts = try Concatenation(head.headers[.uploadConcat] ?? "").parts
            try require((1...100).contains(parts.count), "\(parts.count) parts")
            let again = try Concatenation("final;" + parts.map { "/v1/uploads/\($0)" }.joined(separator: " ")).parts
            try require(again == parts, "\(parts) are read again as \(again)")
        }
        try refusable {
            let said = try ResumableProtocol(head.headers)
            for spoken in [said, .tus, .draft(3), .draft(ResumableProtocol.newestDraft)].compactMap(\.self) {
                try check(spoken, request)
            }
        }
    }

    private static func check(_ spoken: ResumableProtocol, _ request: Request) throws(BrokenPromise) {
        try require(read { try ResumableProtocol(spoken.mark) } == spoken, "\(spoken.mark) is not \(spoken)")
        for offset: Int64 in [0, 5, .max] {
            try refusable {
                let length = try spoken.length(request.headers, from: offset)
                let hasBody = request.headers[.contentLength] != nil
                let isWhole = spoken != .tus && spoken.isLast(request.headers) ?? true && hasBody
                try require((length ?? 0) >= (isWhole ? offset : 0), "a length of \(length ?? 0) at \(offset)")
                let isEnd = spoken.isEnd(request.headers, offset: offset, length: length)
                try require(!isEnd || length ?? offset == offset, "an end at \(offset) of \(length ?? 0)")
            }
        }
        try refusable {
            let new = try NewUpload(request, speaking: spoken)
            try require(new.protocolName == spoken.name, "another protocol than \(spoken)")
            try require((new.length ?? 0) >= 0, "a length of \(new.length ?? 0)")
            try require(new.role != .final || new.length == nil, "an upload made of parts that has a length of its own")
            try ContentPromises.checkLabel(new.filename)
            try checkAnswers(new, spoken)
        }
    }

    /// What the answers say of an upload is read as the same.
    private static func checkAnswers(_ new: NewUpload, _ spoken: ResumableProtocol) throws(BrokenPromise) {
        for isComplete in [false, true] {
            let upload = stored(new, at: (new.length ?? 10) / 2, isComplete: isComplete)
            let state = UploadState(upload)
            let refusal = spoken.mismatch(state).headers
            for headers in [spoken.standing(upload, UploadLimits()).headers, refusal, spoken.appended(state).headers] {
                let offset = read { try headers.bytes(.uploadOffset, orThrow: "bad_offset") }
                try require(offset == upload.offset, "\(headers) stands at \(upload.offset)")
                guard spoken != .tus else { continue }
                try require(spoken.isLast(headers) == isComplete, "\(headers) is not complete: \(isComplete)")
            }
            let standing = spoken.standing(upload, UploadLimits()).headers
            let length = read { try standing.bytes(.uploadLength, orThrow: "bad_length") }
            try require(length ?? nil == new.length, "\(standing) has another length than \(new.length ?? -1)")
            let metadata = spoken == .tus ? new.metadata : nil
            try require(standing[.uploadMetadata] == metadata, "\(standing) has another metadata")
        }
    }

    private static func stored(_ new: NewUpload, at offset: Int64, isComplete: Bool) -> Upload {
        Upload(
            id: new.id,
            company: .new(),
            user: .new(),
            item: new.item,
            protocolName: new.protocolName,
            role: new.role,
            filename: new.filename,
            declaredType: new.declaredType,
            metadata: new.metadata,
            concatenation: new.concatenation,
            volume: "main",
            length: new.length,
            offset: offset,
            sums: "",
            content: nil,
            sha256: nil,
            expectedDigest: new.expectedDigest,
            holder: nil,
            asset: isComplete ? .new() : nil,
            expiresAt: Date(),
            createdAt: Date()
        )
    }

    private static func checkBytes(_ headers: HTTPFields, _ name: HTTPField.Name) throws {
        guard let bytes = try headers.bytes(name, orThrow: "bad_length") else { return }
        try require(bytes >= 0, "\(headers) has \(bytes) bytes")
        let again = try HTTPFields([HTTPField(name: name, value: "\(bytes)")]).bytes(name, orThrow: "bad_length")
        try require(again == bytes, "\(bytes) is read again as \(again ?? -1)")
    }

    /// Nil also for what is refused.
    private static func read<Value>(_ body: () throws -> Value?) -> Value? {
        do { return try body() } catch { return nil }
    }
}

/// Lets `body` refuse what it reads, if that is the client's fault.
func refusable(_ body: () throws -> Void) throws(BrokenPromise) {
    do {
        try body()
    } catch let broken as BrokenPromise {
        throw broken
    } catch {
        let refusal = APIError(mapping: error)
        try require((400..<500).contains(refusal.status.code), "refused as our own fault: \(error)")
    }
}
