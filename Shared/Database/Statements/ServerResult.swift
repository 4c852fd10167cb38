import CLibPQ

/// Owns one `PGresult`.
///
/// It may cross threads: libpq changes a result no more once it has handed it out.
final class ServerResult: @unchecked Sendable {
    private let handle: OpaquePointer
    private let columns: [String: Int]

    /// Takes ownership.
    init(adopting handle: OpaquePointer) {
        self.handle = handle
        var columns: [String: Int] = [:]
        if PQntuples(handle) > 0 {
            for column in 0..<PQnfields(handle) {
                guard let name = PQfname(handle, column) else { continue }
                columns.merge([String(cString: name): Int(column)]) { _, _ in Self.ambiguous }
            }
        }
        self.columns = columns
    }

    deinit { PQclear(handle) }

    private static let ambiguous = -1

    var status: ExecStatusType { PQresultStatus(handle) }
    var rowCount: Int { Int(PQntuples(handle)) }
    /// Zero for statements that have no count.
    var affected: Int { PQcmdTuples(handle).flatMap { Int(String(cString: $0)) } ?? 0 }
    /// `INSERT 0 1`, `COMMIT`…
    var commandTag: String { PQcmdStatus(handle).map { String(cString: $0) } ?? "" }

    func index(of column: String) throws(DatabaseError) -> Int {
        guard let index = columns[column] else { throw .undecodable("no column is named \"\(column)\"") }
        guard index != Self.ambiguous else { throw .undecodable("two columns are named \"\(column)\"") }
        return index
    }

    /// A value in text format; nil is NULL.
    func text(row: Int, column: Int) -> String? {
        let (row, column) = (Int32(row), Int32(column))
        guard PQgetisnull(handle, row, column) == 0, let start = PQgetvalue(handle, row, column) else { return nil }
        let bytes = UnsafeRawBufferPointer(start: start, count: Int(PQgetlength(handle, row, column)))
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The server's refusal in its own words, without the values it may quote.
    var refusal: DatabaseError {
        guard let sqlState = field(pq_field_sql_state) else {
            // libpq makes a result without a state when the connection breaks.
            let message = PQresultErrorMessage(handle).map { String(cString: $0) } ?? ""
            return DatabaseError(kind: .connectionLost, message: message.trimmed)
        }
        let message = field(pq_field_message) ?? "no message"
        return DatabaseError(
            kind: .server(sqlState: sqlState, constraint: field(pq_field_constraint)),
            message: sqlState.hasPrefix(Self.dataException) ? message.withoutQuotation : message
        )
    }

    /// The function of the server that refused: the same in every language the server may speak.
    var refusingFunction: String? { field(pq_field_source_function) }

    /// Errors of this class quote the value that did not fit. ("invalid input syntax for type uuid: "…"")
    private static let dataException = "22"

    private func field(_ field: Int) -> String? {
        PQresultErrorField(handle, Int32(field)).map { String(cString: $0) }
    }
}

extension String {
    var trimmed: String {
        String(drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed())
    }

    /// With `…` in place of everything from the first quotation mark to the last.
    var withoutQuotation: String {
        guard let first = firstIndex(of: "\""), let last = lastIndex(of: "\""), first < last else { return self }
        return self[...first] + "…" + self[last...]
    }
}
