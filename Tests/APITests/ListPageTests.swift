import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Models
import NIOCore
import Testing

@testable import API

@Suite("Pages of lists")
struct ListPageTests {
    private let company = CompanyID.new()

    private func page(_ query: String) throws -> ListPage<Item> {
        let head = HTTPRequest(method: .get, scheme: nil, authority: nil, path: "/v1/items?\(query)")
        let request = Request(head: head, body: RequestBody(buffer: ByteBuffer()))
        return try ListPage(of: "items", QueryParameters(request), in: company)
    }

    private func items(_ count: Int) -> [Item] {
        (0..<count).map { number in
            Item(
                id: .new(),
                code: "\(number)",
                name: "",
                kind: "",
                attributes: [:],
                createdAt: .now,
                updatedAt: .now
            )
        }
    }

    private func body(_ page: ListPage<Item>, _ items: [Item]) async throws -> [String: JSONValue] {
        let answer: Call<UserContext>.Handler = { _, _ in try await page.response(items, id: \.id) { $0.code } }
        return try await APIFixture.with(answer) { client in
            let response = try await client.send(.get, "/")
            #expect(response.headers[.contentType] == "application/json")
            return try JSONDecoder().decode([String: JSONValue].self, from: Data(response.body.readableBytesView))
        }
    }

    @Test("A page that has more behind it ends in a cursor that leads there")
    func cursor() async throws {
        let page = try page("limit=2")
        #expect(page.rows == 3)
        #expect(page.before == nil)
        let items = items(3)
        let body = try await body(page, items)
        #expect(body.keys.sorted() == ["items", "next_cursor"])
        #expect(body["items"] == .array([.string("0"), .string("1")]))
        guard case .string(let cursor) = body["next_cursor"] else {
            Issue.record("There is no cursor.")
            return
        }
        #expect(try self.page("cursor=\(cursor)").before == items[1].id)
    }

    @Test("The last page, full or not, has none")
    func lastPage() async throws {
        for count in 0...2 { #expect(try await body(page("limit=2"), items(count))["next_cursor"] == .null) }
    }

    @Test("A page has 50 rows if its length is not said")
    func usualLength() throws {
        #expect(try page("").rows == 51)
    }

    @Test("A cursor is good for its own list of its own company, unchanged")
    func binding() throws {
        let id = UUID()
        let cursor = Cursor.make(id, list: "items", company: company)
        #expect(Cursor.read(cursor, list: "items", company: company) == id)
        #expect(Cursor.read(cursor, list: "assets", company: company) == nil)
        #expect(Cursor.read(cursor, list: "items", company: .new()) == nil)
        #expect(Cursor.read(cursor + "A", list: "items", company: company) == nil)
        #expect(Cursor.read(String(cursor.reversed()), list: "items", company: company) == nil)
        #expect(Cursor.read("", list: "items", company: company) == nil)
    }
}
