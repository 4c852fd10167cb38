import Database
import Foundation
import Glibc
import Models
import TestSupport
import Testing

/// A client of `/v1/uploads` that keeps its files in the suite's directory.
struct ResumableClient {
    let suite: TestSupport.Suite
    let client: Client

    static let tus = "Tus-Resumable: 1.0.0"

    init(_ suite: TestSupport.Suite, port: String? = nil) {
        self.suite = suite
        let base = port.map { "http://127.0.0.1:\($0)" } ?? suite.client.base
        client = Client(base: base, token: suite.client.token)
    }

    /// Begins a tus upload and gives its path.
    func begin(_ bytes: Int, name: String = "large.pdf", item: ItemID? = nil, headers: [String] = []) async throws
        -> String
    {
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

    /// Sends bytes as tus does.
    func append(_ bytes: Data, at offset: Int, to path: String, headers: [String] = []) async throws -> Client.Answer {
        try await send(
            "PATCH",
            path,
            bytes,
            [Self.tus, "Content-Type: application/offset+octet-stream", "Upload-Offset: \(offset)"] + headers
        )
    }

    /// Sends bytes with exactly these headers.
    func send(_ method: String, _ path: String, _ bytes: Data, _ headers: [String]) async throws -> Client.Answer {
        let file = suite.directory.appending(path: "body-\(UUID())")
        try bytes.write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        return try await client.send(method, path, headers: headers, curl: ["--data-binary", "@\(file.path)"])
    }

    /// Goes on until everything is there, as clients do: a request that was cut may still be overtaking the next.
    func finish(_ bytes: Data, _ path: String) async throws {
        try await suite.eventually("everything is there") {
            let offset = try await offset(of: path)
            if offset == bytes.count { return true }
            _ = try? await append(bytes[offset...], at: offset, to: path)
            return false
        }
    }

    /// Where the upload stands.
    func offset(of path: String) async throws -> Int {
        let answer = try await client.send("HEAD", path, headers: [Self.tus])
        #expect(answer.status == 200)
        return try #require(answer.headers["upload-offset"].flatMap { Int($0) })
    }

    /// What became of it.
    func asset(of path: String) async throws -> JSONValue {
        try await client.send("GET", path).json["asset"]
    }

    /// Begins to send the bytes from an offset on, and stops after some of them with the connection open.
    func beginSending(_ bytes: Data, from offset: Int, count: Int, to path: String) throws -> RawConnection {
        let head = [
            "PATCH \(path) HTTP/1.1", Self.tus, "Content-Type: application/offset+octet-stream",
            "Upload-Offset: \(offset)", "Content-Length: \(bytes.count - offset)",
        ]
        return try open(head, bytes[offset..<(offset + count)])
    }

    /// Opens a connection and sends the head of a request, with host and token, and the beginning of a body.
    func open(_ head: [String], _ body: Data) throws -> RawConnection {
        let connection = try RawConnection(to: client)
        let lines = head + ["Host: phone.example", "Authorization: Bearer \(client.token ?? "")", "", ""]
        try connection.send(Data(lines.joined(separator: "\r\n").utf8) + body)
        return connection
    }
}

extension Client.Answer {
    /// The path of the upload that was begun.
    var uploadPath: String? { headers["location"].flatMap { URL(string: $0)?.path } }
}

/// A TCP connection to this machine, for requests that end in the middle.
final class RawConnection: Sendable {
    private let descriptor: Int32

    convenience init(to client: Client) throws {
        try self.init(port: try #require(client.base.split(separator: ":").last.flatMap { UInt16($0) }))
    }

    init(port: UInt16) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        let status = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        try #require(status == 0)
    }

    deinit { close(descriptor) }

    /// - Throws: `ConnectionEnded` if the other side takes nothing more.
    func send(_ bytes: Data) throws {
        var rest = bytes
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            guard count > 0 else { throw ConnectionEnded() }
            rest = rest.dropFirst(count)
        }
    }

    /// Ends it in order, while the value lives on.
    func end() { shutdown(descriptor, Int32(SHUT_RDWR)) }

    /// Ends it with a reset, which throws away what the other side has not read yet; otherwise it ends in order.
    func reset() {
        var linger = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout.size(ofValue: linger)))
    }

    /// What the other side sends next.
    func receive() -> String {
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = recv(descriptor, &bytes, bytes.count, 0)
        return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
    }
}

/// The other side has closed the connection.
struct ConnectionEnded: Error {}

/// A document of that many bytes, different each time.
func document(_ bytes: Int) -> Data {
    var generator = SystemRandomNumberGenerator()
    let words = (0...bytes / 8).map { _ in generator.next() as UInt64 }
    return (Data("%PDF-1.4\n".utf8) + words.withUnsafeBytes { Data($0) }).prefix(bytes)
}

extension ResumableClient {
    /// Waits until its process answers.
    func ready() async throws {
        try await suite.eventually("\(client.base) answers") {
            (try? await client.send("GET", "/health/live").status) == 200
        }
    }
}

extension TestSupport.Suite {
    /// What the rows say of each upload: bytes, and whether a request holds it.
    var uploads: [UploadRow] {
        get async throws { try await database.run(Query<UploadRow>("SELECT received, holder FROM uploads")()) }
    }

    /// Waits until that much of the only upload is recorded.
    func recorded(_ isEnough: (Int) -> Bool) async throws {
        try await eventually("enough is recorded") { try await uploads.first.map { isEnough($0.received) } ?? false }
    }

    /// Waits until a request holds the only upload.
    func held() async throws {
        try await eventually("a request holds it") { try await uploads.first?.holder != nil }
    }

    /// Asks until it is so, for half a minute if nothing else is said.
    func eventually(
        _ what: Comment,
        within limit: Duration = .seconds(30),
        _ isSo: () async throws -> Bool
    ) async throws {
        let deadline = ContinuousClock.now + limit
        while !(try await isSo()) {
            try #require(ContinuousClock.now < deadline, what)
            try await Task.sleep(for: .milliseconds(10))
        }
    }

    /// A client of another company's user.
    func stranger() async throws -> Client {
        try await control("company", "create", "Other")
        let (email, password) = ("stranger@example.com", "a long enough one")
        let variables = ["TOLVA_PASSWORD": password]
        try await control("user", "create", email, "--company", "Other", "--role", "admin", environment: variables)
        return try await Client(base: client.base).signedIn(email: email, password: password)
    }
}

/// A row of `uploads`.
struct UploadRow: RowDecodable {
    let received: Int
    let holder: UUID?

    init(from row: borrowing Row) throws(DatabaseError) {
        received = try row["received"]
        holder = try row["holder"]
    }
}

extension TestSupport.Suite {
    /// A sum of some bytes in hexadecimal digits, as the system's own program computes it.
    func sum(_ algorithm: String = "sha256", of bytes: Data) async throws -> String {
        let file = directory.appending(path: "summed-\(UUID())")
        try bytes.write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        return String(try await run("\(algorithm)sum", file.path).prefix { $0 != " " })
    }

    /// What `Upload-Checksum` says of some bytes.
    func checksum(_ algorithm: String, of bytes: Data) async throws -> String {
        let digits = Array(try await sum(algorithm, of: bytes))
        let digest = stride(from: 0, to: digits.count, by: 2).compactMap {
            UInt8(String(digits[$0...($0 + 1)]), radix: 16)
        }
        return "\(algorithm) \(Data(digest).base64EncodedString())"
    }
}
