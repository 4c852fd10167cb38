import Foundation
import Models
import TestSupport
import Testing

extension Integration {
    @Suite struct ItemPages {
        @Test("A page of items with many attributes is short, and its cursor leads to the rest, each item once")
        func shortened() async throws {
            try await TestStack.with { stack in
                let attributes = JSONValue.object(["text": .string(String(repeating: "a", count: 60_000))])
                for number in 0..<12 {
                    let new: [String: JSONValue] = [
                        "code": .string("L-\(number)"), "name": "Large", "attributes": attributes,
                    ]
                    #expect(try await stack.client.send("POST", "/v1/items", json: new).status == 201)
                }
                var codes: [String] = []
                var pages: [Int] = []
                var cursor = ""
                repeat {
                    let page = try await stack.client.send("GET", "/v1/items?limit=10\(cursor)").json
                    codes += page["items"].elements.compactMap { $0["code"].string }
                    pages.append(page["items"].elements.count)
                    cursor = page["next_cursor"].string.map { "&cursor=\($0)" } ?? ""
                } while !cursor.isEmpty && pages.count < 10
                // Five of them have more than 256 KiB.
                #expect(pages == [5, 5, 2])
                #expect(codes == (0..<12).reversed().map { "L-\($0)" })
            }
        }

        @Test("A body that is slow to come holds up none of its sender's other requests")
        func slowBody() async throws {
            try await TestStack.with(environment: ["REQUESTS_PER_USER": "1"]) { stack in
                let body = #"{"code": "S-1", "name": "Slow"}"#
                let token = try #require(stack.client.token)
                let head = """
                    POST /v1/items HTTP/1.1\r
                    Host: localhost\r
                    Authorization: Bearer \(token)\r
                    Content-Type: application/json\r
                    Content-Length: \(body.utf8.count)\r
                    \r

                    """
                let slow = try (0..<3).map { _ in try RawConnection(to: stack.client) }
                for connection in slow { try connection.send(Data((head + body.prefix(10)).utf8)) }
                for _ in 0..<5 { #expect(try await stack.client.send("GET", "/v1/items").status == 200) }
                try slow[0].send(Data(body.dropFirst(10).utf8))
                #expect(try slow[0].receive().hasPrefix("HTTP/1.1 201"))
                #expect(try await stack.client.send("GET", "/v1/items").json["items"].elements.count == 1)
            }
        }
    }
}
