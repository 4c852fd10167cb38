import Database
import Glibc
import TestSupport
import Testing

@Suite("Faults of a real Postgres")
struct DatabaseFaultTests {
    private static let ownProcess = Query<Value<Int>>("SELECT pg_backend_pid() AS value")
    private static let terminate = Query<NoRow>("SELECT pg_terminate_backend($1::int, 5000)")
    private static let sleep = Query<NoRow>("SELECT pg_sleep($1)")
    private static let active = Query<Value<Int>>(
        """
        SELECT count(*) AS value FROM pg_stat_activity
         WHERE datname = current_database() AND query LIKE '%pg_sleep($1)%' AND state = 'active'
           AND pid <> pg_backend_pid()
        """
    )

    @Test("Idle connections whose server process ended are replaced before a caller notices")
    func idleTerminated() async throws {
        try await withPools { database, other in
            var killed: [Int] = []
            for _ in 0..<3 {
                let process = try #require(try await database.first(Self.ownProcess())?.value)
                killed.append(process)
                _ = try await other.run(Self.terminate(process))
            }
            #expect(Set(killed).count == 3)
            #expect(try await database.first(Self.ownProcess()) != nil)
            #expect(database.statistics == (1, 1, 0))
        }
    }

    @Test("A statement whose server process ends is .connectionLost, and the next one has a new connection")
    func activeTerminated() async throws {
        try await withPools { database, other in
            let process = try #require(try await database.first(Self.ownProcess())?.value)
            let sleeping = Task { try await database.run(Self.sleep(30.0)) }
            try await Self.waitUntilActive(other)
            _ = try await other.run(Self.terminate(process))
            let error = await #expect(throws: DatabaseError.self) { try await sleeping.value }
            #expect(error?.kind == .connectionLost)
            #expect(database.statistics.open == 0)
            #expect(try await database.first(Self.ownProcess())?.value != process)
        }
    }

    @Test("A cancelled task's statement ends on the server, and its connection is used again")
    func cancelled() async throws {
        try await withPools { database, other in
            let process = try #require(try await database.first(Self.ownProcess())?.value)
            let sleeping = Task { try await database.run(Self.sleep(30.0)) }
            try await Self.waitUntilActive(other)
            let start = ContinuousClock.now
            sleeping.cancel()
            let error = await #expect(throws: DatabaseError.self) { try await sleeping.value }
            #expect(error?.kind == .cancelled)
            #expect(.now - start < .seconds(3))
            #expect(try await other.first(Self.active())?.value == 0)
            #expect(try await database.first(Self.ownProcess())?.value == process)
        }
    }

    @Test("A task cancelled before its call sends nothing, and one cancelled in a transaction leaves nothing")
    func cancelledTransaction() async throws {
        try await withPools { database, other in
            _ = try await database.run(Query<NoRow>("CREATE TABLE things (id integer)")())
            let insert = Query<NoRow>("INSERT INTO things VALUES (1)")
            let task = Task {
                try await database.withTransaction { connection in
                    _ = try await connection.run(insert())
                    _ = try await connection.run(Self.sleep(30.0))
                }
            }
            try await Self.waitUntilActive(other)
            task.cancel()
            let error = await #expect(throws: DatabaseError.self) { try await task.value }
            #expect(error?.kind == .cancelled)
            let count = Query<Value<Int>>("SELECT count(*) AS value FROM things")
            #expect(try await database.first(count())?.value == 0)
            #expect(database.statistics == (1, 1, 0))

            let late = Task {
                while !Task.isCancelled { await Task.yield() }
                _ = try await database.run(insert())
            }
            late.cancel()
            let refused = await #expect(throws: DatabaseError.self) { try await late.value }
            #expect(refused?.kind == .cancelled)
            #expect(try await database.first(count())?.value == 0)
        }
    }

    @Test("Calls cancelled at any moment either did all or nothing, and the connections stay good")
    func cancelledAtAnyMoment() async throws {
        try await withPools { database, _ in
            _ = try await database.run(Query<NoRow>("CREATE TABLE things (call integer)")())
            let insert = Query<NoRow>("INSERT INTO things VALUES ($1)")
            var expected = 0
            for call in 0..<150 {
                let task = Task { try await database.transaction((0..<20).map { _ in insert(call) }) }
                try await Task.sleep(for: .microseconds(call * 20))
                task.cancel()
                if case .success = await task.result { expected += 20 }
            }
            let count = Query<Value<Int>>("SELECT count(*) AS value FROM things")
            #expect(try await database.first(count())?.value == expected)
        }
    }

    @Test("A statement that takes too long is stopped by the server, and its connection is used again")
    func statementTimeout() async throws {
        try await withPool {
            $0.statementTimeout = .milliseconds(200)
        } _: { database in
            let error = await #expect(throws: DatabaseError.self) { try await database.run(Self.sleep(30.0)) }
            #expect(error?.kind == .timeout)
            #expect(database.statistics == (1, 1, 0))
        }
    }

    @Test("A transaction whose statements are each fast enough, but not together, is stopped as a whole")
    func transactionTimeout() async throws {
        try await withPool {
            $0.statementTimeout = .seconds(1)
        } _: { database in
            let start = ContinuousClock.now
            let error = await #expect(throws: DatabaseError.self) {
                try await database.transaction((0..<20).map { _ in Self.sleep(0.8) })
            }
            #expect(error?.kind == .timeout)
            // Together they would take 16 s.
            #expect(.now - start < .seconds(15))
            #expect(database.statistics == (1, 1, 0))
        }
    }

    @Test("A server that accepts and then says nothing is .unavailable after the connect timeout")
    func silentServer() async throws {
        let (listener, port) = try listenOnAnyPort()
        defer { close(listener) }
        let url = "postgres://nobody@127.0.0.1:\(port)/none"
        let database = Database(settings: DatabaseSettings(url: url), logger: .quiet)
        let start = ContinuousClock.now
        let error = await #expect(throws: DatabaseError.self) { try await database.run(Self.sleep(0.0)) }
        #expect(error?.kind == .unavailable)
        #expect(.now - start >= .seconds(4), "it has five seconds to answer")
        #expect(.now - start < .seconds(30), "long before the kernel gives up")
    }

    /// Two pools on one database: the one under test, with one connection, and one that looks on.
    private func withPools(_ body: (Database, Database) async throws -> Void) async throws {
        try await withDatabase { settings in
            var small = settings
            small.poolSize = 1
            small.poolBurst = 0
            let database = Database(settings: small, logger: .quiet)
            let other = Database(settings: settings, logger: .quiet)
            try await withCleanup {
                try await body(database, other)
            } cleanUp: {
                await database.close()
                await other.close()
            }
        }
    }

    private static func waitUntilActive(_ database: Database) async throws {
        try await eventually("the statement runs") { try await database.first(Self.active())?.value != 0 }
    }
}
