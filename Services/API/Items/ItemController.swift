import Database
import Foundation
import Hummingbird
import Models

/// `/v1/items`
struct ItemController: Sendable {
    let items: ItemRepository

    private struct Body: Decodable {
        let code: String?
        let name: String?
        let kind: String?
        let attributes: [String: JSONValue]?
    }

    func create(_ request: Request, context: UserContext) async throws -> Response {
        try context.requireWrite()
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
        var response = try JSONBody.response(ItemView(created), status: .created)
        response.headers[.location] = "/v1/items/\(created.id)"
        return response
    }

    func list(_ request: Request, context: UserContext) async throws -> Response {
        let query = try QueryParameters(request)
        let page = try PageRequest<Item>(query, list: "items", company: context.company)
        let found = try await items.page(
            in: context.company,
            text: try Text.filter(query["q"], "q"),
            kind: try Text.filter(query["kind"], "kind"),
            before: page.before,
            limit: page.limit + 1
        )
        return try JSONBody.response(
            ItemPage(
                items: found.prefix(page.limit).map(ItemView.init),
                nextCursor: found.count > page.limit
                    ? Cursor.make(found[page.limit - 1].id.rawValue, list: "items", company: context.company) : nil
            )
        )
    }

    func get(_ request: Request, context: UserContext) async throws -> Response {
        let id = try context.id("item", of: Item.self)
        guard let item = try await items.find(id, in: context.company) else { throw APIError.notFound("item") }
        return try JSONBody.response(ItemView(item))
    }

    func update(_ request: Request, context: UserContext) async throws -> Response {
        try context.requireWrite()
        let id = try context.id("item", of: Item.self)
        let changes = try validate(try await JSONBody.decode(Body.self, from: request, context))
        let item = try await unlessTaken(changes.code ?? "") {
            try await items.update(id, changes, in: context.company)
        }
        guard let item else { throw APIError.notFound("item") }
        return try JSONBody.response(ItemView(item))
    }

    func delete(_ request: Request, context: UserContext) async throws -> Response {
        try context.requireWrite()
        let id = try context.id("item", of: Item.self)
        guard try await items.delete(id, in: context.company) else { throw APIError.notFound("item") }
        return Response(status: .noContent)
    }

    private func validate(_ body: Body) throws(APIError) -> ItemChanges {
        ItemChanges(
            code: try body.code.map { value throws(APIError) in try Text.line(value, "code", most: 100) },
            name: try body.name.map { value throws(APIError) in try Text.line(value, "name", most: 300) },
            kind: try body.kind.map { value throws(APIError) in try Text.line(value, "kind", most: 100, orEmpty: true)
            },
            attributes: try body.attributes.map(Text.attributes)
        )
    }

    private func unlessTaken<Result>(_ code: String, _ body: () async throws -> Result) async throws -> Result {
        do {
            return try await body()
        } catch let error as DatabaseError where error.isUniqueViolation(of: ItemRepository.codeIndex) {
            throw APIError(
                status: .conflict,
                code: "code_taken",
                detail: "Your company has an item with the code “\(code)” already. Choose another code."
            )
        }
    }
}

struct ItemView: Encodable {
    let id: ItemID
    let code: String
    let name: String
    let kind: String
    let attributes: JSONValue
    let createdAt: Date
    let updatedAt: Date

    init(_ item: Item) {
        id = item.id
        code = item.code
        name = item.name
        kind = item.kind
        attributes = .object(item.attributes)
        createdAt = item.createdAt
        updatedAt = item.updatedAt
    }
}

struct ItemPage: Encodable {
    let items: [ItemView]
    @Nullable var nextCursor: String?
}
