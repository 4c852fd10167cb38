public import Foundation
public import Models
import Testing

/// A user's program: curl, with a token.
public struct Client: Sendable {
    /// What came back.
    public struct Answer: Sendable {
        public let status: Int
        /// Its headers, with lower-case names.
        public let headers: [String: String]
        public let body: Data
        /// How many bytes of the request's body were sent.
        public let uploaded: Int

        /// The body as JSON; `.null` if it is none.
        public var json: JSONValue {
            (try? JSONDecoder().decode(JSONValue.self, from: body)) ?? .null
        }
    }

    /// Where the API listens, e.g. `http://127.0.0.1:8080`.
    public let base: String
    /// The bearer token; nil before signing in.
    public var token: String?

    public init(base: String, token: String? = nil) {
        self.base = base
        self.token = token
    }

    public func signedIn(email: String, password: String) async throws -> Client {
        let answer = try await send(
            "POST",
            "/v1/sessions",
            json: ["email": .string(email), "password": .string(password)]
        )
        guard let token = answer.json["token"].string else {
            throw CommandFailure(command: "sign in", status: Int32(answer.status), message: "\(answer.json)")
        }
        return Client(base: base, token: token)
    }

    public func send(
        _ method: String,
        _ path: String,
        json: [String: JSONValue]? = nil,
        headers: [String] = [],
        curl more: [String] = []
    ) async throws -> Answer {
        var arguments = headers.flatMap { ["-H", $0] }
        if method == "HEAD" { arguments.append("--head") } else { arguments += ["-X", method] }
        if let json {
            let body = String(decoding: try JSONEncoder().encode(JSONValue.object(json)), as: UTF8.self)
            arguments += ["-H", "Content-Type: application/json", "--data-binary", body]
        }
        return try await curl(path, arguments + more)
    }

    /// Asks for something that is to be there, and gives the JSON it is.
    public func json(_ path: String) async throws -> JSONValue {
        let answer = try await send("GET", path)
        try #require(answer.status == 200, "\(path): \(answer.status) \(answer.json)")
        return answer.json
    }

    /// Uploads one file as it is.
    public func put(_ file: URL, to path: String, curl more: [String] = []) async throws -> Answer {
        try await send("PUT", path, curl: ["-T", file.path] + more)
    }

    /// Uploads files in one multipart request.
    public func upload(_ files: [URL], to item: ItemID, curl more: [String] = []) async throws -> Answer {
        let parts = files.enumerated().flatMap { ["-F", "file\($0.offset)=@\"\($0.element.path)\""] }
        return try await curl("/v1/items/\(item)/assets", parts + more)
    }

    /// Makes an item and gives its id.
    public func makeItem(code: String = "EQ-\(UUID())") async throws -> ItemID {
        let answer = try await send("POST", "/v1/items", json: ["code": .string(code), "name": "A thing"])
        guard let id = answer.json["id"].string.flatMap({ ItemID($0) }) else {
            throw CommandFailure(command: "make item", status: Int32(answer.status), message: "\(answer.json)")
        }
        return id
    }

    /// What `/health/ready` says of one check.
    public func healthCheck(_ name: String) async throws -> JSONValue {
        try await send("GET", "/health/ready").json["checks"].elements.first { $0["name"].string == name } ?? .null
    }

    /// A metric's samples, added up; nil if there is none. `labels` is what all of them have: `kind="media.image"`.
    public func metric(_ name: String, labels: String = "") async throws -> Double? {
        let text = String(decoding: try await send("GET", "/metrics").body, as: UTF8.self)
        let samples = text.split(separator: "\n").filter {
            ($0.hasPrefix("\(name){") || $0.hasPrefix("\(name) ")) && (labels.isEmpty || $0.contains(labels))
        }
        let values = samples.compactMap { $0.split(separator: " ").last.flatMap { Double($0) } }
        return values.isEmpty ? nil : values.reduce(0, +)
    }

    /// The port it asks.
    public var port: UInt16 {
        get throws { try #require(base.split(separator: ":").last.flatMap { UInt16($0) }) }
    }

    /// The asset as it stands once it is `ready` or `failed`.
    ///
    /// - Throws: `ExpectationFailedError` if it is neither after `limit`.
    public func settled(_ asset: String, within limit: Duration = .seconds(60)) async throws -> JSONValue {
        try await wait(for: asset, within: limit) { ["ready", "failed"].contains($0) }
    }

    /// Waits until a worker has taken the asset's job.
    ///
    /// - Throws: `ExpectationFailedError` if none has after a minute.
    public func taken(_ asset: String) async throws {
        _ = try await wait(for: asset, within: .seconds(60)) { $0 != "queued" }
    }

    private func wait(
        for asset: String,
        within limit: Duration,
        until isReached: (String?) -> Bool
    ) async throws -> JSONValue {
        try await eventually("asset \(asset) goes on", within: limit) {
            try await send("GET", "/v1/assets/\(asset)").json
        } isSo: {
            isReached($0["status"].string)
        }
    }

    private func curl(_ path: String, _ arguments: [String]) async throws -> Answer {
        let directory = FileManager.default.temporaryDirectory.appending(path: "answer-\(UUID())")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        let body = directory.appending(path: "body")
        let head = directory.appending(path: "head")
        var all = ["--silent", "--show-error", "--max-time", "300", "-o", body.path, "-D", head.path]
        all += ["-w", "%{http_code} %{size_upload}"] + arguments
        if let token { all += ["-H", "Authorization: Bearer \(token)"] }
        let numbers = try await run("curl", all + [base + path]).split(separator: " ").compactMap { Int($0) }
        var headers: [String: String] = [:]
        for line in try String(contentsOf: head, encoding: .utf8).split(whereSeparator: \.isNewline) {
            let parts = line.split(separator: ":", maxSplits: 1)
            guard parts.count == 2 else { continue }
            headers[parts[0].lowercased()] = parts[1].trimmingCharacters(in: .whitespaces)
        }
        return Answer(
            status: numbers.first ?? 0,
            headers: headers,
            body: FileManager.default.contents(atPath: body.path) ?? Data(),
            uploaded: numbers.last ?? 0
        )
    }
}

extension JSONValue: ExpressibleByStringLiteral {
    public init(stringLiteral value: String) { self = .string(value) }
}

extension JSONValue {
    /// A member of an object; `.null` if there is none.
    public subscript(_ name: String) -> JSONValue {
        if case .object(let members) = self { members[name] ?? .null } else { .null }
    }

    /// The elements of an array; none for anything else.
    public var elements: [JSONValue] { if case .array(let values) = self { values } else { [] } }

    public var string: String? { if case .string(let value) = self { value } else { nil } }

    public var integer: Int? { if case .integer(let value) = self { Int(value) } else { nil } }
}
