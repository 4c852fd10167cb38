public import Foundation
public import Models
import Testing

/// The two protocols of uploads that come in several requests.
public enum ResumableProtocol: String, CaseIterable, Sendable {
    /// 1.0
    case tus
    /// The IETF's draft, in its latest version.
    case ietf
}

/// A client of `/v1/uploads` that keeps its files in the stack's directory.
public struct ResumableClient: Sendable {
    public let stack: TestStack
    public let client: Client

    public static let tus = "Tus-Resumable: 1.0.0"

    /// Asks the stack's API, unless another client is given.
    public init(_ stack: TestStack, client: Client? = nil) {
        self.stack = stack
        self.client = client ?? stack.client
    }

    /// Begins a tus upload and gives its path.
    public func begin(
        _ bytes: Int,
        name: String = "large.pdf",
        item: ItemID? = nil,
        headers: [String] = []
    ) async throws -> String {
        var metadata = "filename \(Data(name.utf8).base64EncodedString())"
        if let item { metadata += ",item_id \(Data(item.description.utf8).base64EncodedString())" }
        let answer = try await client.send(
            "POST",
            "/v1/uploads",
            headers: [Self.tus, "Upload-Length: \(bytes)", "Upload-Metadata: \(metadata)"] + headers
        )
        #expect(answer.status == 201, "\(answer.json)")
        return try #require(answer.uploadPath)
    }

    /// Begins a tus upload whose length nobody knows yet.
    public func beginWithoutLength(headers: [String] = []) async throws -> String {
        let begun = try await client.send(
            "POST",
            "/v1/uploads",
            headers: [Self.tus, "Upload-Defer-Length: 1"] + headers
        )
        return try #require(begun.uploadPath, "\(begun.status) \(begun.json)")
    }

    /// Begins an upload in the words of either protocol.
    public func begin(_ dialect: ResumableProtocol, _ bytes: Int, headers: [String] = []) async throws -> String {
        guard dialect == .ietf else { return try await begin(bytes, headers: headers) }
        let all = ["Upload-Complete: ?0", "Upload-Length: \(bytes)"] + headers
        return try #require(try await send("POST", "/v1/uploads?filename=a.pdf", Data(), all).uploadPath)
    }

    /// Sends bytes as tus does.
    public func append(
        _ bytes: Data,
        at offset: Int,
        to path: String,
        headers: [String] = []
    ) async throws -> Client.Answer {
        try await append(.tus, bytes, at: offset, to: path, isLast: false, headers: headers)
    }

    /// Sends bytes in the words of either protocol; tus knows the last ones by their number.
    public func append(
        _ dialect: ResumableProtocol,
        _ bytes: Data,
        at offset: Int,
        to path: String,
        isLast: Bool,
        headers: [String] = []
    ) async throws -> Client.Answer {
        try await send("PATCH", path, bytes, dialect.words(at: offset, isLast: isLast) + headers)
    }

    /// Sends bytes with exactly these headers.
    public func send(
        _ method: String,
        _ path: String,
        _ bytes: Data,
        _ headers: [String]
    ) async throws -> Client.Answer {
        let file = try stack.file("body-\(UUID())", bytes)
        defer { try? FileManager.default.removeItem(at: file) }
        return try await client.send(method, path, headers: headers, curl: ["--data-binary", "@\(file.path)"])
    }

    /// Goes on until everything is there, as clients do: a request that was cut may still be overtaking the next.
    public func finish(_ bytes: Data, _ path: String, _ dialect: ResumableProtocol = .tus) async throws {
        try await eventually("everything of \(path) is there") {
            let offset = try await offset(of: path, dialect)
            if dialect == .tus, offset == bytes.count { return true }
            let answer = try? await append(dialect, bytes[offset...], at: offset, to: path, isLast: true)
            return dialect == .ietf && [200, 201, 204].contains(answer?.status)
        }
    }

    /// Where the upload stands.
    public func offset(of path: String, _ dialect: ResumableProtocol = .tus) async throws -> Int {
        let answer = try await client.send("HEAD", path, headers: dialect == .tus ? [Self.tus] : [])
        #expect([200, 204].contains(answer.status))
        return try #require(answer.headers["upload-offset"].flatMap { Int($0) }, "\(answer.status)")
    }

    /// What became of it.
    public func asset(of path: String) async throws -> JSONValue {
        try await client.send("GET", path).json["asset"]
    }

    /// Begins to send all bytes from an offset on, and stops after some of them with the connection open.
    public func beginSending(
        _ bytes: Data,
        from offset: Int,
        count: Int,
        to path: String,
        _ dialect: ResumableProtocol = .tus
    ) throws -> RawConnection {
        let head = ["PATCH \(path) HTTP/1.1"] + dialect.words(at: offset, isLast: true)
        return try open(head + ["Content-Length: \(bytes.count - offset)"], bytes[offset..<(offset + count)])
    }

    /// Opens a connection and sends the head of a request, with host and token, and the beginning of a body.
    public func open(_ head: [String], _ body: Data = Data()) throws -> RawConnection {
        let connection = try RawConnection(to: client)
        let lines = head + ["Host: phone.example", "Authorization: Bearer \(client.token ?? "")", "", ""]
        try connection.send(Data(lines.joined(separator: "\r\n").utf8) + body)
        return connection
    }

    /// Begins an upload of the draft with all its bytes declared and none sent, and gives the path it is told meanwhile.
    public func openDraft(_ path: String = "/v1/uploads", bytes: Int) throws -> (RawConnection, path: String) {
        let connection = try open(["POST \(path) HTTP/1.1", "Upload-Complete: ?1", "Content-Length: \(bytes)"])
        let interim = try connection.receive()
        let location = try #require(interim.header("location"), "\(interim)")
        return (connection, try #require(Self.path(of: location)))
    }

    /// The path of an upload's address, as a client finds it.
    static func path(of location: String) -> String? {
        URL(string: location, relativeTo: URL(string: "http://api.example/v1/uploads"))?.absoluteURL.path
    }

    /// Waits until its process answers.
    public func ready() async throws {
        try await eventually("\(client.base) answers") {
            (try? await client.send("GET", "/health/live").status) == 200
        }
    }
}

extension ResumableProtocol {
    /// What the head of a PATCH says.
    func words(at offset: Int, isLast: Bool) -> [String] {
        switch self {
        case .tus:
            [ResumableClient.tus, "Content-Type: application/offset+octet-stream", "Upload-Offset: \(offset)"]
        case .ietf:
            [
                "Content-Type: application/partial-upload", "Upload-Offset: \(offset)",
                "Upload-Complete: \(isLast ? "?1" : "?0")",
            ]
        }
    }
}

extension Client.Answer {
    /// The path of the upload that was begun.
    public var uploadPath: String? { headers["location"].flatMap(ResumableClient.path) }
}

extension String {
    /// A header of an answer as it came over the wire.
    public func header(_ name: String) -> String? {
        split(separator: "\r\n").first { $0.lowercased().hasPrefix("\(name): ") }
            .map { String($0.dropFirst(name.count + 2)) }
    }
}
