/// One row of a result, for a type's `init(from:)`.
public struct Row {
    let result: ServerResult
    let index: Int

    /// The value of a column.
    ///
    /// - Throws: `.undecodable` if no column has that name, or two have it, or its value (NULL, perhaps) is none
    ///   of the type asked for.
    public subscript<Value: DatabaseValue>(_ column: String) -> Value {
        get throws(DatabaseError) {
            let text = result.text(row: index, column: try result.index(of: column))
            guard let value = Value(databaseText: text) else {
                throw .undecodable("column \"\(column)\" is \(text == nil ? "NULL, " : "")not of type \(Value.self)")
            }
            return value
        }
    }
}

/// A type that can be read from a row.
public protocol RowDecodable: Sendable {
    /// Reads the columns it needs: `id = try row["id"]`.
    init(from row: borrowing Row) throws(DatabaseError)
}

/// For statements whose rows, if they give any, nobody reads.
public struct NoRow: RowDecodable {
    /// Reads nothing.
    public init(from row: borrowing Row) throws(DatabaseError) {}
}
