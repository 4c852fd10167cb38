import CLibPQ
import Glibc
import Testing

@testable import Database

@Suite("Rows")
struct RowTests {
    @Test("A column that is absent, stands twice, is NULL or of another type is an error that names it")
    func errors() throws {
        let row = try row([("id", "1"), ("name", nil), ("id", "2")])
        #expect(message { let _: Int = try row["code"] } == "no column is named \"code\"")
        #expect(message { let _: Int = try row["id"] } == "two columns are named \"id\"")
        #expect(message { let _: String = try row["name"] } == "column \"name\" is NULL, not of type String")
        let name: String? = try row["name"]
        #expect(name == nil)
    }

    @Test("An error about a value does not hold the value")
    func valueIsNotQuoted() throws {
        let row = try row([("secret", "tulip")])
        #expect(message { let _: Int = try row["secret"] } == "column \"secret\" is not of type Int")
        #expect(
            #"invalid input syntax for type uuid: "tulip""#.withoutQuotation
                == #"invalid input syntax for type uuid: "…""#
        )
        #expect(#"value "99" is out of range for type integer"#.withoutQuotation.contains("99") == false)
    }

    private func message(_ body: () throws -> Void) -> String? {
        do {
            try body()
            return nil
        } catch {
            return (error as? DatabaseError)?.message
        }
    }

    private func row(_ columns: [(name: String, value: String?)]) throws -> Row {
        let result = try #require(PQmakeEmptyPGresult(nil, PGRES_TUPLES_OK))
        let names = columns.map { strdup($0.name) }
        defer { for name in names { free(name) } }
        var attributes = names.map {
            PGresAttDesc(name: $0, tableid: 0, columnid: 0, format: 0, typid: 0, typlen: 0, atttypmod: 0)
        }
        try #require(PQsetResultAttrs(result, Int32(columns.count), &attributes) == 1)
        for (index, column) in columns.enumerated() {
            let text = column.value.map { strdup($0) }
            defer { free(text ?? nil) }
            let length = column.value.map { Int32($0.utf8.count) } ?? -1
            try #require(PQsetvalue(result, 0, Int32(index), text ?? nil, length) == 1)
        }
        return Row(result: ServerResult(adopting: result), index: 0)
    }
}
