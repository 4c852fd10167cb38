import Crypto
import Foundation
import Hummingbird
import Models

/// One page of a list, newest first: what a request asks for, and the response to it.
///
/// ```swift
/// let page = try ListPage<Item>(of: "items", query, in: context.company)
/// let found = try await items.page(in: context.company, before: page.before, limit: page.rows)
/// return try await page.response(found.items, isShortened: found.isShortened, id: \.id) { $0 }
/// ```
struct ListPage<Row: Sendable>: Sendable {
    private let list: String
    private let company: CompanyID
    private let limit: Int
    let before: Identifier<Row>?

    /// Reads `limit` (1…200, 50 if there is none) and `cursor`. The response has its rows under the list's name.
    ///
    /// - Throws: `bad_limit`, or `bad_cursor` for one that was changed or belongs to another list or company.
    init(of list: String, _ query: QueryParameters, in company: CompanyID) throws(APIError) {
        self.list = list
        self.company = company
        limit =
            try query["limit"].map { text throws(APIError) in
                guard let number = Int(text), (1...200).contains(number) else {
                    throw .badRequest("bad_limit", "“limit” is a number from 1 to 200.")
                }
                return number
            } ?? 50
        before = try query["cursor"].map { text throws(APIError) in
            guard let id = Cursor.read(text, list: list, company: company) else {
                throw .badRequest("bad_cursor", "“cursor” is a next_cursor this list gave, unchanged.")
            }
            return Identifier(rawValue: id)
        }
    }

    /// How many rows to look for: one more than are shown tells whether there is a next page.
    var rows: Int { limit + 1 }

    /// `found` is what a query for `rows` rows gave, in its order; `isShortened`, whether that query left rows out
    /// because of their bytes.
    func response<Found: Sendable, View: Encodable & Sendable>(
        _ found: [Found],
        isShortened: Bool = false,
        id: (Found) -> Identifier<Row>,
        view: (Found) -> View
    ) async throws -> Response {
        let shown = found.prefix(limit)
        let last = found.count > limit || isShortened ? shown.last.map(id) : nil
        let cursor = last.map { Cursor.make($0.rawValue, list: list, company: company) }
        return try await JSONBody.response(listing: shown.map(view), as: list, nextCursor: cursor)
    }
}

/// The end of a page, opaque to the client: the last row's id and a checksum that binds it to its list.
enum Cursor {
    static func make(_ id: UUID, list: String, company: CompanyID) -> String {
        let bytes = withUnsafeBytes(of: id.uuid) { Data($0) }
        return (bytes + checksum(id, list, company)).base64URL
    }

    static func read(_ text: String, list: String, company: CompanyID) -> UUID? {
        guard let data = Data(base64URL: text), data.count == 24 else { return nil }
        let id = data.prefix(16).withUnsafeBytes { UUID(uuid: $0.loadUnaligned(as: uuid_t.self)) }
        return data.suffix(8).elementsEqual(checksum(id, list, company)) ? id : nil
    }

    private static func checksum(_ id: UUID, _ list: String, _ company: CompanyID) -> Data {
        Data(SHA256.hash(data: Data("\(id) \(list) \(company)".utf8)).prefix(8))
    }
}

extension Data {
    /// base64url without padding (RFC 4648, 5).
    var base64URL: String {
        let bytes = base64EncodedData().compactMap { byte -> UInt8? in
            switch byte {
            case UInt8(ascii: "+"): UInt8(ascii: "-")
            case UInt8(ascii: "/"): UInt8(ascii: "_")
            case UInt8(ascii: "="): nil
            default: byte
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    init?(base64URL text: String) {
        let plain = text.replacing("-", with: "+").replacing("_", with: "/")
        self.init(base64Encoded: plain + String(repeating: "=", count: (4 - plain.utf8.count % 4) % 4))
    }
}
