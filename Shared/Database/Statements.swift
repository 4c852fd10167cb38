import CLibPQ
import Glibc

/// A statement's text and the rows it gives, without its parameters.
///
/// The text is a literal of the program, so nothing can be pasted into it; what varies is `$1`, `$2`…
/// Called like a function it takes them: `Self.byID(id, company)`.
public struct Query<Output: RowDecodable>: Sendable {
    private let sql: String

    /// Takes one SQL statement, without a semicolon.
    public init(_ sql: StaticString) {
        self.sql = sql.description
    }

    /// Binds the parameters, in order. The server infers their types; a cast (`$1::uuid`) says it where it cannot.
    public func callAsFunction(_ parameters: any DatabaseValue...) -> Statement<Output> {
        Statement(sql: sql, parameters: parameters)
    }
}

/// A statement ready to be run.
public struct Statement<Output: RowDecodable>: AnyStatement {
    let sql: String
    let parameters: [any DatabaseValue]

    /// Writes the parameters in the form the server reads.
    ///
    /// - Throws: `.undecodable` for a value Postgres has no form for: a text with U+0000, a date in the year 12 000.
    public func bound() throws(DatabaseError) -> BoundStatement {
        guard parameters.count <= BoundStatement.maximumParameters else {
            throw .undecodable("\(parameters.count) parameters, of which a statement has at most 65 535: use an array")
        }
        var texts: [String?] = []
        texts.reserveCapacity(parameters.count)
        for (index, parameter) in parameters.enumerated() {
            let text = try parameter.databaseText
            guard text?.containsNul != true else {
                throw .undecodable("parameter $\(index + 1) holds U+0000, which Postgres cannot store")
            }
            texts.append(text)
        }
        return BoundStatement(sql: sql, parameters: texts)
    }
}

extension String {
    fileprivate var containsNul: Bool {
        var text = self
        return text.withUTF8 { bytes in bytes.baseAddress.map { memchr($0, 0, bytes.count) != nil } ?? false }
    }
}

/// A statement whatever its rows are, so that several kinds can share a transaction.
public protocol AnyStatement: Sendable {
    func bound() throws(DatabaseError) -> BoundStatement
}

/// A statement as it goes over the wire. Only this module makes one, so every statement began as a `Query`.
public struct BoundStatement: Sendable {
    static let maximumParameters = 65_535

    let sql: String
    let parameters: [String?]
}

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
    public init(from row: borrowing Row) throws(DatabaseError) {}
}

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

/// Owns one `PGresult`.
///
/// It may cross threads: libpq changes a result no more once it has handed it out.
final class ServerResult: @unchecked Sendable {
    private let handle: OpaquePointer
    private let columns: [String: Int]

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
