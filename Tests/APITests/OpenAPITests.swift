import Foundation
import HTTPTypes
import Models
import Testing

@testable import API

@Suite("The OpenAPI document")
struct OpenAPITests {
    private static let parsed = Result {
        try JSONDecoder().decode(JSONValue.self, from: Data(PackageResources.openapi_json))
    }
    let document: JSONValue

    init() throws {
        document = try Self.parsed.get()
    }

    @Test("Every call of the map is described, and nothing else is")
    func calls() {
        let health = ["GET /health/live", "GET /health/ready", "GET /metrics"]
        let open = Routes.open.map { "\($0.method) \($0.path)" } + health
        let signedIn = Routes.signedIn.map { "\($0.method) \($0.path)" }
        #expect(operations.filter { $0.isOpen }.map(\.call).sorted() == open.sorted())
        #expect(operations.filter { !$0.isOpen }.map(\.call).sorted() == signedIn.sorted())
    }

    @Test("Whoever may not make a call is told so, and nobody else")
    func roles() {
        for call in Routes.signedIn {
            let operation = operations.first { $0.call == "\(call.method) \(call.path)" }
            let isRefused = operation?.value["responses"]?.members.keys.contains("403")
            #expect(isRefused == (call.access != .viewer), "\(call.method) \(call.path)")
        }
    }

    @Test("It is OpenAPI 3.1, and everything it refers to is in it")
    func references() {
        #expect(document["openapi"] == .string("3.1.0"))
        let references = Set(document.strings(of: "$ref"))
        #expect(references.count > 50)
        for reference in references {
            let target = reference.split(separator: "/").dropFirst().reduce(document) { $0?[String($1)] }
            #expect(reference.hasPrefix("#/") && target != nil, "\(reference)")
        }
    }

    @Test("Every operation has a name of its own, its path's parameters, and its refusals")
    func operationsAreWhole() {
        #expect(Set(operations.map { $0.value["operationId"] }).count == operations.count)
        for operation in operations {
            let parameters = (operation.item["parameters"]?.elements ?? []).compactMap { resolved($0) }
            let inPath = parameters.filter { $0["in"] == .string("path") }.compactMap { $0["name"]?.string }
            let captured = operation.path.split(separator: "/").filter { $0.hasPrefix("{") }
            #expect(captured.map { $0.dropFirst().dropLast() } == inPath.map { $0[...] }, "\(operation.call)")
            if !operation.isOpen {
                let statuses = operation.value["responses"]?.members.keys.sorted() ?? []
                #expect(Set(statuses).isSuperset(of: ["401", "500", "503"]), "\(operation.call)")
            }
        }
    }

    @Test("Every refusal is a problem, has the request's id, and is not to be kept")
    func refusals() {
        for operation in operations where operation.path != "/health/ready" {
            for (status, value) in operation.value["responses"]?.members ?? [:] where status >= "400" {
                let response = resolved(value)
                let headers = Set((response?["headers"]?.members ?? [:]).keys)
                let types = response?["content"]?.members.keys.sorted()
                #expect(types == ["application/problem+json"], "\(operation.call) \(status)")
                #expect(headers.isSuperset(of: ["X-Request-Id", "Cache-Control"]), "\(operation.call) \(status)")
            }
        }
    }

    @Test("What has not changed is answered with the headers of the whole, without its body")
    func notModified() {
        for operation in operations {
            guard let answer = operation.value["responses"]?["304"].flatMap({ resolved($0) }) else { continue }
            let whole = operation.value["responses"]?["200"].flatMap { resolved($0) }
            #expect(answer["headers"]?.members.keys == whole?["headers"]?.members.keys, "\(operation.call)")
            #expect(answer["content"] == nil, "\(operation.call)")
        }
    }

    @Test("Every code an upload can be refused with is in it")
    func codes() {
        let described = Set(document.strings(within: "enum"))
        #expect(described.isSuperset(of: ContentRejection.Code.allCases.map(\.rawValue)))
        #expect(described.isSuperset(of: ["bad_multipart", "not_multipart", "nested_multipart", "headers_too_large"]))
        #expect(described.isSuperset(of: ["bad_filename", "bad_digest", "digest_mismatch"]))
        #expect(
            described.isSuperset(of: [
                "request_too_large", "file_too_large", "images_too_large", "too_many_files", "too_slow", "no_files",
                "no_file_accepted", "partial_put", "upload_too_long",
            ])
        )
        #expect(
            described.isSuperset(of: [
                "tus_version", "bad_interop_version", "upload_complete_missing", "bad_offset", "bad_length",
                "inconsistent_length", "bad_metadata", "bad_concat", "part_unfinished", "bad_checksum",
                "checksum_mismatch", "offset_mismatch", "upload_complete", "final_upload", "upload_taken",
                "upload_busy",
                "upload_lost", "too_many_uploads", "too_many_upload_bytes", "item_gone",
            ])
        )
    }

    private struct Operation {
        let path: String
        let method: String
        let item: JSONValue
        let value: JSONValue

        var call: String { "\(method) \(path)" }
        var isOpen: Bool { value["security"] == .array([]) }
    }

    private var operations: [Operation] {
        (document["paths"]?.members ?? [:]).flatMap { path, item in
            item.members.filter { $0.key != "parameters" }.map { method, value in
                Operation(path: path, method: method.uppercased(), item: item, value: value)
            }
        }
    }

    private func resolved(_ value: JSONValue) -> JSONValue? {
        guard let reference = value["$ref"]?.string else { return value }
        return reference.split(separator: "/").dropFirst().reduce(document) { $0?[String($1)] }
    }
}

extension JSONValue {
    fileprivate subscript(name: String) -> JSONValue? { members[name] }

    fileprivate var members: [String: JSONValue] {
        if case .object(let members) = self { members } else { [:] }
    }

    fileprivate var elements: [JSONValue] {
        if case .array(let elements) = self { elements } else { [] }
    }

    fileprivate var string: String? {
        if case .string(let text) = self { text } else { nil }
    }

    /// The texts of every member of a name, however deep.
    fileprivate func strings(of name: String) -> [String] {
        members.flatMap { key, value in
            (key == name ? value.string.map { [$0] } ?? [] : []) + value.strings(of: name)
        } + elements.flatMap { $0.strings(of: name) }
    }

    /// The texts in every list of a name, however deep.
    fileprivate func strings(within name: String) -> [String] {
        members.flatMap { key, value in
            (key == name ? value.elements.compactMap(\.string) : []) + value.strings(within: name)
        } + elements.flatMap { $0.strings(within: name) }
    }
}
