import Foundation

/// A `jsonb` column, or one of `json`.
public struct JSON<Value: Codable & Sendable>: Sendable {
    /// What stands in it.
    public var value: Value

    /// Wraps a value to be written.
    public init(_ value: Value) {
        self.value = value
    }
}

extension JSON: Equatable where Value: Equatable {}
extension JSON: Hashable where Value: Hashable {}

extension JSON: DatabaseValue {
    /// The JSON text; dates are RFC 3339 with microseconds.
    public var databaseText: String? {
        get throws(DatabaseError) {
            let encoder = JSONEncoder()
            encoder.dateEncodingStrategy = .custom { date, encoder in
                var container = encoder.singleValueContainer()
                try container.encode(try date.databaseText)
            }
            do {
                return String(decoding: try encoder.encode(value), as: UTF8.self)
            } catch {
                // An encoding error's own description quotes the value.
                throw .undecodable("a \(Value.self) cannot be written as JSON")
            }
        }
    }

    /// Reads the JSON text.
    public init?(databaseText: String?) {
        guard let databaseText else { return nil }
        let decoder = JSONDecoder()
        decoder.dateDecodingStrategy = .custom { decoder in
            let container = try decoder.singleValueContainer()
            guard let date = Timestamp.date(of: try container.decode(String.self)) else {
                throw DecodingError.dataCorruptedError(in: container, debugDescription: "not a date")
            }
            return date
        }
        guard let value = try? decoder.decode(Value.self, from: Data(databaseText.utf8)) else { return nil }
        self.value = value
    }
}
