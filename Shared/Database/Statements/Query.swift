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
    /// Writes the parameters in the form the server reads.
    func bound() throws(DatabaseError) -> BoundStatement
}

/// A statement as it goes over the wire. Only this module makes one, so every statement began as a `Query`.
public struct BoundStatement: Sendable {
    static let maximumParameters = 65_535

    let sql: String
    let parameters: [String?]
}
