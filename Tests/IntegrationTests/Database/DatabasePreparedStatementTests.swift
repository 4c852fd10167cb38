import TestSupport
import Testing

@testable import Database

@Suite("Prepared statements of a real Postgres")
struct DatabasePreparedStatementTests {
    private static let create = Query<NoRow>("CREATE TABLE things (id integer PRIMARY KEY, code text NOT NULL)")
    private static let insert = Query<NoRow>("INSERT INTO things (id, code) VALUES ($1, $2)")
    private static let count = Query<Value<Int>>("SELECT count(*) AS value FROM things")

    @Test("Each text is prepared once a connection, however often one call and later ones use it")
    func preparedOnce() async throws {
        let prepared = Query<Value<Int>>(
            "SELECT count(*) AS value FROM pg_prepared_statements WHERE statement LIKE 'INSERT INTO things%'"
        )
        try await withPool {
            $0.poolSize = 1
            $0.poolBurst = 0
        } _: { database in
            _ = try await database.run(Self.create())
            for round in 0..<3 {
                let statements = (0..<50).map { Self.insert(round * 50 + $0, "\(round)-\($0)") }
                _ = try await database.transaction(statements)
            }
            #expect(try await database.first(prepared())?.value == 1)
            #expect(try await database.first(Self.count())?.value == 150)
        }
    }

    @Test("A statement prepared before its table was altered runs on as if nothing had happened")
    func alteredTable() async throws {
        let all = Query<NoRow>("SELECT * FROM things")
        try await withPool { database in
            _ = try await database.run(Self.create())
            _ = try await database.run(all())
            _ = try await database.run(Query<NoRow>("ALTER TABLE things ADD COLUMN extra text")())
            _ = try await database.transaction([Self.insert(1, "a"), all()])
            #expect(try await database.first(Self.count())?.value == 1)
            #expect(database.statistics.open == 1)
        }
    }

    @Test("A session keeps a bounded number of prepared statements, and runs what is beyond it all the same")
    func bounded() async throws {
        let prepared = Query<Value<Int>>("SELECT count(*) AS value FROM pg_prepared_statements")
        try await withPool { database in
            try await database.withConnection { connection in
                let texts = (0..<LibPQConnection.maximumPrepared + 100).map {
                    BoundStatement(sql: "SELECT \($0) AS value", parameters: [])
                }
                for results in [try await connection.execute(texts), try await connection.execute(texts)] {
                    let values = try results.map { try $0.decode(Value<Int>.self).first?.value }
                    #expect(values == Array(0..<texts.count))
                }
                #expect(try await connection.first(prepared())?.value == LibPQConnection.maximumPrepared)
            }
        }
    }

    @Test("A statement that failed on its way leaves what was prepared before it usable, and the rest to be prepared")
    func failedBetween() async throws {
        let broken = Query<NoRow>("SELECT nothing FROM nowhere")
        try await withPool { database in
            _ = try await database.run(Self.create())
            for _ in 0..<2 {
                let error = await #expect(throws: DatabaseError.self) {
                    try await database.transaction([Self.insert(1, "a"), broken(), Self.count()])
                }
                #expect(error?.sqlState == "42P01")
            }
            let results = try await database.transaction([Self.insert(1, "a"), Self.count()])
            #expect(try results[1].decode(Value<Int>.self).first?.value == 1)
        }
    }
}
