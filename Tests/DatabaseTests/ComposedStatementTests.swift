import Testing

@testable import Database

@Suite("Statements of lists")
struct ComposedStatementTests {
    @Test("A filter without a value is not in the text; the others are numbered as they come")
    func filters() throws {
        var list = ComposedStatement<NoRow>()
        list.add("SELECT a FROM b WHERE c = ?", 1)
        list.add("AND d = ?", ifAny: nil as String?)
        list.add("AND e = ? AND f > ?", "x", true)
        list.add("AND g < ?", ifAny: 5)
        let bound = try list.statement.bound()
        #expect(bound.sql == "SELECT a FROM b WHERE c = $1\nAND e = $2 AND f > $3\nAND g < $4")
        #expect(bound.parameters == ["1", "x", "t", "5"])
    }
}
