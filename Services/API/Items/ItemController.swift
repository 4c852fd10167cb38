import Database
import Foundation
import Hummingbird
import Models
import Repositories

struct ItemController: Sendable {
    let items: ItemRepository

    private struct Body: Decodable {
        let code: String?
        let name: String?
        let kind: String?
        let attributes: [String: JSONValue]?
    }

    func create(_ request: Request, context: UserContext) async throws -> Response {
        let body = try await JSONBody.decode(Body.self, from: request, context)
        let changes = try validate(body)
        guard let code = changes.code else {
            throw APIError.badRequest("bad_json", "The field “code” is missing.")
        }
        let item = NewItem(
            code: code,
            name: changes.name ?? code,
            kind: changes.kind ?? "",
            attributes: changes.attributes ?? [:]
        )
        let created = try await unlessTaken(code) { try await items.create(item, in: context.company) }
        var response = try JSONBody.response(created, status: .created)
        response.headers[.location] = "/v1/items/\(created.id)"
        return response
    }

    func list(_ request: Request, context: UserContext) async throws -> Response {
        let query = try QueryParameters(request)
        let page = try ListPage<Item>(of: "items", query, in: context.company)
        let found = try await items.page(
            in: context.company,
            words: try InputText.filter(query["q"], "q").map(SearchWords.init),
            kind: try InputText.filter(query["kind"], "kind"),
            before: page.before,
            limit: page.rows
        )
        return try await page.response(found.items, isShortened: found.isShortened, id: \.id) { $0 }
    }

    func get(_ request: Request, context: UserContext) async throws -> Response {
        let id = try context.id("item", of: Item.self)
        guard let item = try await items.find(id, in: context.company) else { throw APIError.notFound("item") }
        return try JSONBody.response(item)
    }

    func update(_ request: Request, context: UserContext) async throws -> Response {
        let id = try context.id("item", of: Item.self)
        let changes = try validate(try await JSONBody.decode(Body.self, from: request, context))
        let item = try await unlessTaken(changes.code ?? "") {
            try await items.update(id, changes, in: context.company)
        }
        guard let item else { throw APIError.notFound("item") }
        return try JSONBody.response(item)
    }

    func delete(_ request: Request, context: UserContext) async throws -> Response {
        let id = try context.id("item", of: Item.self)
        guard try await items.delete(id, in: context.company) else { throw APIError.notFound("item") }
        return Response(status: .noContent)
    }

    private func validate(_ body: Body) throws(APIError) -> ItemChanges {
        ItemChanges(
            code: try body.code.map { value throws(APIError) in try InputText.line(value, "code", most: 100) },
            name: try body.name.map { value throws(APIError) in try InputText.line(value, "name", most: 300) },
            kind: try body.kind.map { value throws(APIError) in
                try InputText.line(value, "kind", most: 100, orEmpty: true)
            },
            attributes: try body.attributes.map(Self.checked)
        )
    }

    private func unlessTaken<Result>(_ code: String, _ body: () async throws -> Result) async throws -> Result {
        do {
            return try await body()
        } catch let error as DatabaseError where error.isUniqueViolation(of: ItemRepository.codeIndex) {
            throw APIError.codeTaken(code)
        }
    }

    /// Attributes become columns of a workbook, so there is a limit to their number and names.
    static func checked(_ attributes: [String: JSONValue]) throws(APIError) -> [String: JSONValue] {
        guard attributes.count <= 200 else {
            throw .badRequest("bad_value", "An item may have 200 attributes at most.")
        }
        for (name, value) in attributes {
            _ = try InputText.line(name, "attributes", most: 200)
            if let obstacle = value.obstacle {
                throw .badRequest("bad_value", "The attribute “\(name)” may not hold \(obstacle).")
            }
        }
        return attributes
    }
}

extension JSONValue {
    /// Why it cannot be stored unchanged: Postgres has no NUL, and a number past 64 bits would lose digits.
    fileprivate var obstacle: String? {
        switch self {
        case .null, .bool, .integer: nil
        case .number(let number): number.magnitude < 0x1p63 ? nil : "a number past 64 bits"
        case .string(let text): text.utf8.contains(0) ? "the character U+0000" : nil
        case .array(let values): values.lazy.compactMap(\.obstacle).first
        case .object(let members):
            members.lazy.compactMap { JSONValue.string($0.key).obstacle ?? $0.value.obstacle }.first
        }
    }
}
