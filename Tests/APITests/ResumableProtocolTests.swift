import Foundation
import HTTPTypes
import Hummingbird
import Models
import NIOCore
import Testing

@testable import API

@Suite("Headers of resumable uploads")
struct ResumableProtocolTests {
    private static func code(_ body: () throws -> Void) -> String? {
        do {
            try body()
            return nil
        } catch {
            return APIError(mapping: error).code
        }
    }

    private static func upload(
        _ headers: HTTPFields,
        _ query: String = "",
        _ spoken: ResumableProtocol? = nil
    ) throws -> NewUpload {
        let head = HTTPRequest(
            method: .post,
            scheme: nil,
            authority: "phone.example",
            path: "/v1/uploads\(query)",
            headerFields: headers
        )
        let spoken = try #require(try spoken ?? ResumableProtocol(headers))
        return try NewUpload(Request(head: head, body: RequestBody(buffer: ByteBuffer())), speaking: spoken)
    }

    private static func base64(_ text: String) -> String { Data(text.utf8).base64EncodedString() }

    // MARK: Which protocol

    @Test("The protocol is told from the headers")
    func detected() throws {
        #expect(try ResumableProtocol([.tusResumable: "1.0.0"]) == .tus)
        #expect(try ResumableProtocol([.uploadDraftInteropVersion: "3"]) == .draft(3))
        #expect(try ResumableProtocol([.uploadDraftInteropVersion: "6", .tusResumable: "1.0.0"]) == .draft(6))
        #expect(try ResumableProtocol([.uploadComplete: "?0"]) == .draft(8))
        #expect(try ResumableProtocol([.contentType: "application/partial-upload; a=b"]) == .draft(8))
        #expect(try ResumableProtocol([.contentType: "application/offset+octet-stream"]) == nil)
        #expect(Self.code { _ = try ResumableProtocol([.tusResumable: "0.2.2"]) } == "tus_version")
        let both: HTTPFields = [.uploadDraftInteropVersion: "6", .tusResumable: "0.2.2"]
        #expect(Self.code { _ = try ResumableProtocol(both) } == "tus_version")
        for version in ["2", "", "x", "-3", "99999999999999999999"] {
            let code = Self.code { _ = try ResumableProtocol([.uploadDraftInteropVersion: version]) }
            #expect(code == "bad_interop_version", "\(version)")
        }
    }

    @Test("A request that does not say what it speaks is answered in the draft, and for a tus upload refused")
    func unsaid() throws {
        #expect(try ResumableProtocol(to: .ietf) == .draft(8))
        #expect(Self.code { _ = try ResumableProtocol(to: .tus) } == "tus_version")
    }

    @Test(
        "A number of bytes is decimal digits and nothing else",
        arguments: ["", " ", "-1", "+1", "1e3", "0x10", "1.0", "१", "9223372036854775808"]
    )
    func badBytes(text: String) {
        let code = Self.code {
            _ = try ([.uploadOffset: text] as HTTPFields).bytes(.uploadOffset, orThrow: "bad_offset")
        }
        #expect(code == "bad_offset")
    }

    @Test("The largest number of bytes and zeroes before a number are read")
    func goodBytes() throws {
        let headers: HTTPFields = [.uploadOffset: "9223372036854775807", .uploadLength: "007"]
        #expect(try headers.bytes(.uploadOffset, orThrow: "") == .max)
        #expect(try headers.bytes(.uploadLength, orThrow: "") == 7)
        #expect(try headers.bytes(.contentLength, orThrow: "") == nil)
    }

    @Test("Whether more follows is a structured boolean; anything else is as if it were not there")
    func completeness() {
        for (text, isLast) in [
            ("?1", true), ("?0", false), ("?1;a=b", true), ("?2", nil), ("1", nil), ("true", nil), ("", nil),
            ("?1, ?1", nil), ("\"?1\"", nil),
        ] as [(String, Bool?)] {
            #expect(ResumableProtocol.draft(8).isLast([.uploadComplete: text]) == isLast, "\(text)")
            #expect(ResumableProtocol.draft(3).isLast([.uploadIncomplete: text]) == isLast.map { !$0 }, "\(text)")
            #expect(ResumableProtocol.tus.isLast([.uploadComplete: text]) == nil)
        }
    }

    @Test("A PATCH has its protocol's media type; the early drafts name none")
    func mediaTypes() {
        #expect(ResumableProtocol.tus.takes("application/offset+octet-stream"))
        #expect(!ResumableProtocol.tus.takes("application/partial-upload"))
        #expect(!ResumableProtocol.tus.takes(nil))
        #expect(ResumableProtocol.draft(5).takes("image/jpeg"))
        #expect(!ResumableProtocol.draft(6).takes("image/jpeg"))
        #expect(ResumableProtocol.draft(6).takes("application/partial-upload"))
    }

    @Test("The length of the whole is declared, or where the last body ends")
    func lengths() throws {
        let last: HTTPFields = [.uploadComplete: "?1", .contentLength: "30"]
        let more: HTTPFields = [.uploadComplete: "?0", .contentLength: "30"]
        #expect(try ResumableProtocol.draft(8).length(last, from: 70) == 100)
        #expect(try ResumableProtocol.draft(8).length(more, from: 70) == nil)
        #expect(try ResumableProtocol.tus.length([.contentLength: "30"], from: 70) == nil)
        #expect(try ResumableProtocol.tus.length([.uploadLength: "30"], from: 70) == 30)
        for (length, offset) in [("99", Int64(70)), ("100", .max)] {
            var headers = last
            headers[.uploadLength] = length
            let code = Self.code { _ = try ResumableProtocol.draft(8).length(headers, from: offset) }
            #expect(code == "inconsistent_length")
        }
    }

    @Test("An upload ends where its length says in tus, and where the request says in the draft")
    func ends() {
        #expect(ResumableProtocol.tus.isEnd([:], offset: 5, length: 5))
        #expect(!ResumableProtocol.tus.isEnd([:], offset: 5, length: 6))
        #expect(!ResumableProtocol.tus.isEnd([:], offset: 5, length: nil))
        #expect(ResumableProtocol.draft(8).isEnd([.uploadComplete: "?1"], offset: 5, length: nil))
        #expect(!ResumableProtocol.draft(8).isEnd([.uploadComplete: "?0"], offset: 5, length: 5))
        #expect(!ResumableProtocol.draft(8).isEnd([.uploadComplete: "?1"], offset: 5, length: 6))
    }

    // MARK: What is begun

    @Test("A tus client says its file's name, type, item and length")
    func tusCreation() throws {
        let item = ItemID.new()
        let metadata =
            "filename \(Self.base64("dir/año.pdf")),filetype \(Self.base64("Application/PDF")),"
            + "item_id \(Self.base64("\(item)")),empty"
        let upload = try Self.upload([.tusResumable: "1.0.0", .uploadLength: "5", .uploadMetadata: metadata])
        #expect(upload.protocolName == .tus)
        #expect(upload.filename == "a\u{F1}o.pdf")
        #expect(upload.declaredType == "application/pdf")
        #expect(upload.item == item)
        #expect(upload.length == 5)
        #expect(upload.role == .whole)
        #expect(upload.metadata == metadata)
    }

    @Test("Parts and what is made of them are told apart, and say their lengths as tus asks")
    func roles() throws {
        func role(_ concat: String, _ length: HTTPFields) throws -> Upload.Role {
            var headers = length
            headers[.tusResumable] = "1.0.0"
            headers[.uploadConcat] = concat
            return try Self.upload(headers).role
        }
        #expect(try role("partial", [.uploadLength: "5"]) == .part)
        #expect(try role("partial", [.uploadDeferLength: "1"]) == .part)
        #expect(try role("final;/v1/uploads/a", [:]) == .final)
        #expect(Self.code { _ = try role("final;a", [.uploadLength: "5"]) } == "bad_length")
        #expect(Self.code { _ = try role("partial", [:]) } == "bad_length")
        #expect(Self.code { _ = try role("partial", [.uploadLength: "5", .uploadDeferLength: "1"]) } == "bad_length")
        #expect(Self.code { _ = try role("partial", [.uploadDeferLength: "2"]) } == "bad_length")
        #expect(Self.code { _ = try role("whole", [.uploadLength: "5"]) } == "bad_concat")
    }

    @Test(
        "Metadata that is no list of keys with base64, each once, is refused",
        arguments: ["a b c", "a ?", "a YQ==,a YQ==", ",", "a YQ==,", "item_id eA==", "filetype /w=="]
    )
    func badMetadata(text: String) {
        let code = Self.code {
            _ = try Self.upload([.tusResumable: "1.0.0", .uploadLength: "5", .uploadMetadata: text])
        }
        #expect(code == "bad_metadata")
    }

    @Test("The parts of an upload are named by their addresses, in any form")
    func concatenation() throws {
        let ids = (0..<3).map { _ in UploadID.new() }
        let text = "final;\(ids[0]) /v1/uploads/\(ids[1]) https://phone.example/v1/uploads/\(ids[2])"
        #expect(try Concatenation(text).parts == ids)
        let many = Array(repeating: "\(ids[0])", count: 101).joined(separator: " ")
        for bad in ["final;", "final;x", "final;\(ids[0]) /", "final;\(many)"] {
            #expect(Self.code { _ = try Concatenation(bad) } == "bad_concat", "\(bad)")
        }
    }

    @Test(
        "The name of a file in the draft stands in Content-Disposition, or in the query",
        arguments: [
            ("attachment; filename=\"a b.pdf\"", "", "a b.pdf"),
            ("inline; filename*=UTF-8''a%C3%B1o.pdf; filename=\"old.pdf\"", "?filename=query.pdf", "a\u{F1}o.pdf"),
            ("attachment; filename=\"100%22.pdf\"", "", "100%22.pdf"),
            ("attachment", "?filename=..%2Fc%20d.pdf", "c d.pdf"),
            (nil, "?filename=e+f.pdf", "e f.pdf"),
            (nil, "", ""),
            ("attachment; filename*=UTF-8''%zz", "", "%zz"), ("attachment; filename*=a.pdf", "", "a.pdf"),
            ("attachment; filename*=ISO-8859-1''a%F1o.pdf; filename=a.pdf", "", "a\u{F1}o.pdf"),
            ("attachment; filename=\"=?UTF-8?Q?a=C3=B1o.pdf?=\"", "", "a\u{F1}o.pdf"),
        ] as [(String?, String, String)]
    )
    func draftFilename(disposition: String?, query: String, filename: String) throws {
        var headers: HTTPFields = [.uploadComplete: "?0", .contentType: "application/pdf"]
        headers[.contentDisposition] = disposition
        let upload = try Self.upload(headers, query)
        #expect(upload.filename == filename)
        #expect(upload.declaredType == "application/pdf")
        #expect(upload.protocolName == .ietf)
        #expect(upload.length == nil)
    }

    @Test("A header nobody can read is refused")
    func badDraftFilename() {
        let headers: HTTPFields = [.uploadComplete: "?0", .contentDisposition: "attachment; filename=\"a"]
        #expect(Self.code { _ = try Self.upload(headers) } == "bad_multipart")
    }

    @Test("The draft's request says whether it is the last, and of which item it is")
    func draftCreation() throws {
        let item = ItemID.new()
        let headers: HTTPFields = [.uploadComplete: "?1", .contentLength: "7"]
        let upload = try Self.upload(headers, "?item_id=\(item)")
        #expect(upload.item == item)
        #expect(upload.length == 7)
        #expect(Self.code { _ = try Self.upload(headers, "?item_id=x") } == "bad_metadata")
        #expect(Self.code { _ = try Self.upload([:], "", .draft(8)) } == "upload_complete_missing")
        #expect(Self.code { _ = try Self.upload([.uploadComplete: "yes"]) } == "upload_complete_missing")
    }

    // MARK: Answers

    @Test("Every refusal carries its protocol's headers, and keeps those it has")
    func marked() async throws {
        for (spoken, name, value) in [
            (ResumableProtocol.tus, HTTPField.Name.tusResumable, "1.0.0"),
            (.draft(6), .uploadDraftInteropVersion, "6"),
        ] {
            let error = await #expect(throws: APIError.self) {
                try await spoken.marking { throw ContentRejection(.emptyFile, "") }
            }
            #expect(error?.code == "empty_file")
            #expect(error?.headers[name] == value)
        }
        let limits = UploadLimits()
        #expect(ResumableProtocol.options(limits).headers[.tusMaxSize] == "\(limits.fileBytes)")
    }
}

@Suite("Upload-Metadata")
struct TusMetadataTests {
    @Test("A text is one line without control characters", arguments: ["a\0b", "a\nb", "\u{1B}[2J", "\u{85}"])
    func control(text: String) throws {
        let metadata = try TusMetadata("filetype \(Data(text.utf8).base64EncodedString())")
        let error = #expect(throws: APIError.self) { try metadata.text("filetype") }
        #expect(error?.code == "bad_metadata")
        #expect(try TusMetadata("filetype aW1hZ2UvcG5n").text("filetype") == "image/png")
    }
}
