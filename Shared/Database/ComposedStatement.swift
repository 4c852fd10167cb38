/// A statement put together from literals. A list's filter stands in its text or is absent: as a parameter that may be
/// null, the server would plan it once for all cases, and read everything for the rare ones.
///
/// ```swift
/// var list = ComposedStatement<Asset>()
/// list.add("SELECT * FROM asset_details WHERE company_id = ?", company)
/// list.add("AND kind = ?", ifAny: kind)
/// list.add("ORDER BY id DESC LIMIT ?", limit)
/// ```
public struct ComposedStatement<Output: RowDecodable>: Sendable {
    private var sql = ""
    private var parameters: [any DatabaseValue] = []

    public init() {}

    public var statement: Statement<Output> { Statement(sql: sql, parameters: parameters) }

    /// Each `?` is one of the values, in order.
    public mutating func add(_ text: StaticString, _ values: any DatabaseValue...) {
        var values = values[...]
        if !sql.isEmpty { sql += "\n" }
        for character in text.description {
            if character == "?", let value = values.popFirst() {
                parameters.append(value)
                sql += "$\(parameters.count)"
            } else {
                sql.append(character)
            }
        }
    }

    /// Adds nothing if there is no value.
    public mutating func add(_ text: StaticString, ifAny value: (some DatabaseValue)?) {
        if let value { add(text, value) }
    }
}
