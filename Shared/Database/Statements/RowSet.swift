/// What one statement gave.
public struct RowSet: Sendable {
    private let result: ServerResult

    init(_ result: ServerResult) {
        self.result = result
    }

    var commandTag: String { result.commandTag }

    /// How many rows the statement inserted, updated, deleted or selected.
    public var affected: Int { result.affected }

    /// Reads every row.
    ///
    /// - Throws: `.undecodable` if a row is not what the type expects.
    public func decode<R: RowDecodable>(_ type: R.Type = R.self) throws(DatabaseError) -> [R] {
        var rows: [R] = []
        rows.reserveCapacity(result.rowCount)
        for index in 0..<result.rowCount { rows.append(try R(from: Row(result: result, index: index))) }
        return rows
    }

    /// Reads the first row; nil if there is none.
    func decodeFirst<R: RowDecodable>(_ type: R.Type = R.self) throws(DatabaseError) -> R? {
        guard result.rowCount > 0 else { return nil }
        return try R(from: Row(result: result, index: 0))
    }
}
