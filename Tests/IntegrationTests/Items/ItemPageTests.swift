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
    }
}
