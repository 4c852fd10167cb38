import Database
import TestSupport
import Testing

@Suite("Transactions in a real Postgres")
struct DatabaseTransactionTests {
    private static let create = Query<NoRow>(
        """
        CREATE TABLE things (
            id integer PRIMARY KEY, code text NOT NULL UNIQUE,
            parent integer REFERENCES things DEFERRABLE INITIALLY DEFERRED)
        """
    )
    private static let insert = Query<NoRow>("INSERT INTO things (id, code) VALUES ($1, $2)")
    private static let insertChild = Query<NoRow>("INSERT INTO things (id, code, parent) VALUES ($1, $2, $3)")
    private static let count = Query<Value<Int>>("SELECT count(*) AS value FROM things")
    private static let transactionID = Query<Value<String>>("SELECT pg_current_xact_id()::text AS value")

    @Test("All statements of a call are one transaction with one commit, and see what those before them did")
    func oneCommit() async throws {
        try await withPool { database in
            _ = try await database.run(Self.create())
            let results = try await database.transaction([
                Self.transactionID(), Self.insert(1, "a"), Self.insert(2, "b"), Self.count(), Self.transactionID(),
            ])
            #expect(results.map(\.affected) == [1, 1, 1, 1, 1])
            #expect(try results[3].decode(Value<Int>.self).first?.value == 2)
            let ids = try [results[0], results[4]].flatMap { try $0.decode(Value<String>.self).map(\.value) }
            #expect(ids[0] == ids[1])
            let status = Query<Value<String>>("SELECT pg_xact_status($1::xid8) AS value")
            #expect(try await database.first(status(ids[0]))?.value == "committed")
        }
    }

    @Test("An error in any statement rolls all of them back and says which constraint, but not which value")
    func rolledBack() async throws {
        try await withPool { database in
            _ = try await database.run(Self.create())
            let error = await #expect(throws: DatabaseError.self) {
                try await database.transaction([
                    Self.insert(1, "tulip"), Self.insert(2, "tulip"), Self.insert(3, "c"), Self.count(),
                ])
            }
            #expect(error?.isUniqueViolation(of: "things_code_key") == true)
            #expect(error?.sqlState == "23505")
            #expect(error.map { "\($0)".contains("tulip") } == false)
            #expect(try await database.first(Self.count())?.value == 0)
            _ = try await database.transaction([Self.insert(1, "tulip"), Self.insert(2, "b")])
            #expect(try await database.first(Self.count())?.value == 2)
            #expect(database.statistics.open == 1, "the connection stays in use")
        }
    }

    @Test("What the server refuses only at the commit is an error too")
    func refusedAtCommit() async throws {
        try await withPool { database in
            _ = try await database.run(Self.create())
            let error = await #expect(throws: DatabaseError.self) {
                try await database.transaction([Self.insert(1, "a"), Self.insertChild(2, "b", 99)])
            }
            #expect(error?.kind == .server(sqlState: "23503", constraint: "things_parent_fkey"))
            #expect(try await database.first(Self.count())?.value == 0)
        }
    }

    @Test("A value of the wrong type is refused without being quoted")
    func valueIsNotQuoted() async throws {
        try await withPool { database in
            let query = Query<NoRow>("SELECT $1::uuid")
            let error = await #expect(throws: DatabaseError.self) { try await database.run(query("tulip")) }
            #expect(error?.sqlState == "22P02")
            #expect(error.map { "\($0)".contains("tulip") } == false)
        }
    }

    @Test("A pipeline of 2 000 statements with large parameters and large answers does not deadlock")
    func largePipeline() async throws {
        let echo = Query<Value<String>>("SELECT $1::text AS value")
        try await withPool { database in
            let large = String(repeating: "ñandú ", count: 5000)
            let statements = (0..<2000).map { echo("\($0) " + large) }
            let results = try await database.transaction(statements)
            #expect(results.count == 2000)
            for (index, result) in results.enumerated() {
                let value = try result.decode(Value<String>.self).first?.value
                #expect(value?.hasPrefix("\(index) ñ") == true)
                #expect(value?.utf8.count == "\(index) ".utf8.count + large.utf8.count)
            }
        }
    }

    @Test("A transaction of several steps commits when its body returns and rolls back when it throws")
    func severalSteps() async throws {
        struct Refusal: Error {}
        try await withPool { database in
            _ = try await database.run(Self.create())
            try await database.withTransaction { connection in
                _ = try await connection.run(Self.insert(1, "a"))
                #expect(try await connection.first(Self.count())?.value == 1)
                #expect(try await database.first(Self.count())?.value == 0, "nobody else sees it yet")
            }
            #expect(try await database.first(Self.count())?.value == 1)
            await #expect(throws: Refusal.self) {
                try await database.withTransaction { connection in
                    _ = try await connection.run(Self.insert(2, "b"))
                    throw Refusal()
                }
            }
            #expect(try await database.first(Self.count())?.value == 1)
            #expect(database.statistics.open == 2)
        }
    }

    @Test("A body that hides a failed statement does not make believe it was committed")
    func hiddenFailure() async throws {
        try await withPool { database in
            _ = try await database.run(Self.create())
            let error = await #expect(throws: DatabaseError.self) {
                try await database.withTransaction { connection in
                    _ = try await connection.run(Self.insert(1, "a"))
                    _ = try? await connection.run(Self.insert(1, "a"))
                }
            }
            #expect(error?.sqlState == "25P02")
            #expect(try await database.first(Self.count())?.value == 0)
        }
    }

    @Test("A cursor reads a large result in pieces")
    func cursor() async throws {
        let declare = Query<NoRow>("DECLARE numbers CURSOR FOR SELECT n AS value FROM generate_series(1, $1::int) n")
        let fetch = Query<Value<Int>>("FETCH 1000 FROM numbers")
        try await withPool { database in
            let sum = try await database.withTransaction { connection in
                _ = try await connection.run(declare(10_000))
                var sum = 0
                while case let rows = try await connection.run(fetch()), !rows.isEmpty {
                    sum += rows.map(\.value).reduce(0, +)
                }
                return sum
            }
            #expect(sum == 50_005_000)
        }
    }
}
