import Foundation
import TestSupport
import Testing

extension Integration {
    /// What arrives on the port and is no request.
    @Suite struct MalformedRequests {
        @Test("What is not HTTP, or too much of it, is answered with a problem that has a code and a request id")
        func problems() async throws {
            try await TestStack.with { stack in
                let token = String(repeating: "a", count: 1 << 20)
                let many = (0..<200).map { "X-\($0): a" }.joined(separator: "\r\n")
                for (head, status, code) in [
                    ("\u{16}\u{3}\u{1}\0\u{5}", 400, "malformed_request"),
                    ("GET / HTTP/1.1\r\nBad Header: a\r\n\r\n", 400, "malformed_request"),
                    ("GET / HTTP/3.0\r\n\r\n", 400, "malformed_request"),
                    ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "malformed_request"),
                    (
                        "POST /v1/sessions HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400,
                        "malformed_request"
                    ),
                    (
                        "POST /v1/sessions HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400,
                        "malformed_request"
                    ),
                    ("POST /v1/sessions HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400, "malformed_request"),
                    ("GET /v1/me HTTP/1.1\r\nAuthorization: Bearer \(token)\r\n\r\n", 431, "headers_too_large"),
                    ("GET /\(token) HTTP/1.1\r\n\r\n", 431, "headers_too_large"),
                    ("GET / HTTP/1.1\r\n\(many)\r\n\r\n", 431, "headers_too_large"),
                    // Behind a request that is one.
                    ("GET /health/live HTTP/1.1\r\nHost: a\r\n\r\nnonsense\r\n\r\n", 400, "malformed_request"),
                ] {
                    let answer = try answer(to: head, of: stack.client)
                    let label = "\(head.prefix(80))"
                    #expect(answer.contains("HTTP/1.1 \(status) "), "\(label)")
                    #expect(answer.lowercased().contains("content-type: application/problem+json\r\n"), "\(label)")
                    #expect(answer.contains("\"code\":\"\(code)\""), "\(label)")
                    #expect(answer.contains("\"request_id\":\"0"), "\(label)")
                    #expect(answer.lowercased().contains("connection: close\r\n"), "\(label)")
                }
                #expect(try await stack.client.send("GET", "/health/live").status == 200)
            }
        }

        @Test("nginx says it in the same words")
        func nginx() async throws {
            try await NginxFixture.with { fixture in
                for head in ["nonsense\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n"] {
                    let answer = try answer(to: head, of: fixture.client)
                    #expect(answer.contains("HTTP/1.1 400 "), "\(head)")
                    #expect(answer.lowercased().contains("content-type: application/problem+json\r\n"), "\(head)")
                    #expect(answer.contains("\"code\":\"malformed_request\""), "\(head)")
                }
            }
        }

        /// All that comes until the other side says that nothing more does.
        private func answer(to head: String, of client: Client) throws -> String {
            let connection = try RawConnection(to: client)
            try connection.send(Data(head.utf8))
            var answer = Data()
            while case let bytes = try connection.receiveBytes(), !bytes.isEmpty { answer += bytes }
            return String(decoding: answer, as: UTF8.self)
        }
    }
}
