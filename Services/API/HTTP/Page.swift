import Crypto
import Foundation
import Models

/// Which page of a list is asked for.
struct PageRequest<Subject>: Sendable {
    let limit: Int
    /// Only rows older than this one.
    let before: Identifier<Subject>?

    /// Reads `limit` and `cursor`.
    ///
    /// - Throws: `bad_limit`, or `bad_cursor` for one that was changed or belongs to another list or company.
    init(_ query: QueryParameters, list: String, company: CompanyID) throws(APIError) {
        if let text = query["limit"] {
            guard let number = Int(text), (1...200).contains(number) else {
                throw .badRequest("bad_limit", "“limit” is a number from 1 to 200.")
            }
            limit = number
        } else {
            limit = 50
        }
        if let text = query["cursor"] {
            guard let id = Cursor.read(text, list: list, company: company) else {
                throw .badRequest("bad_cursor", "“cursor” is a next_cursor this list gave, unchanged.")
            }
            before = Identifier(rawValue: id)
        } else {
            before = nil
        }
    }
}

/// Where a page ends, as the client carries it back: the last row's id and a checksum that binds it to its list.
enum Cursor {
    static func make(_ id: UUID, list: String, company: CompanyID) -> String {
        (bytes(id) + checksum(id, list, company)).base64URL
    }

    static func read(_ text: String, list: String, company: CompanyID) -> UUID? {
        guard let data = Data(base64URL: text), data.count == 24 else { return nil }
        let id = data.prefix(16).withUnsafeBytes { UUID(uuid: $0.loadUnaligned(as: uuid_t.self)) }
        return data.suffix(8).elementsEqual(checksum(id, list, company)) ? id : nil
    }

    private static func bytes(_ id: UUID) -> Data { withUnsafeBytes(of: id.uuid) { Data($0) } }

    private static func checksum(_ id: UUID, _ list: String, _ company: CompanyID) -> Data {
        Data(SHA256.hash(data: Data("\(id) \(list) \(company)".utf8)).prefix(8))
    }
}

extension Data {
    /// base64url without padding (RFC 4648, 5).
    var base64URL: String {
        base64EncodedString().replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
    }

    init?(base64URL text: String) {
        let plain = text.replacing("-", with: "+").replacing("_", with: "/")
        self.init(base64Encoded: plain + String(repeating: "=", count: (4 - plain.utf8.count % 4) % 4))
    }
}
