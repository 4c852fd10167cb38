import Database
import TestSupport
import Testing

@Suite("The pool in front of a real Postgres")
struct DatabasePoolTests {
    private static let sleep = Query<NoRow>("SELECT pg_sleep($1)")
    private static let backends = Query<Value<Int>>(
        """
        SELECT count(*) AS value FROM pg_stat_activity
         WHERE datname = current_database() AND backend_type = 'client backend'
        """
    )

    @Test("Connections are opened as they are needed, the burst too, and the burst is closed when the load is over")
    func sizeAndBurst() async throws {
        try await withPool {
            $0.poolSize = 3
            $0.poolBurst = 2
        } _: { database in
            #expect(database.statistics == (0, 0, 0))
            _ = try await database.run(Self.sleep(0.0))
            #expect(database.statistics == (1, 1, 0))
            let most = try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<20 {
                    group.addTask {
                        _ = try await database.run(Self.sleep(0.05))
                        return database.statistics.open
                    }
                }
                return try await group.reduce(0, max)
            }
            #expect(most == 5)
            #expect(database.statistics == (3, 3, 0))
            #expect(try await database.first(Self.backends())?.value ?? 99 <= 5)
        }
    }

    @Test("A caller waits no longer than the limit, and the others are not disturbed by its leaving")
    func exhausted() async throws {
        try await withPool {
            $0.poolSize = 1
            $0.poolBurst = 1
            // Two connections are opened within it, however busy the machine is.
            $0.poolWait = .seconds(10)
        } _: { database in
            try await database.withConnection { _ in
                try await database.withConnection { _ in
                    let start = ContinuousClock.now
                    let error = await #expect(throws: DatabaseError.self) { try await database.run(Self.sleep(0.0)) }
                    #expect(error?.kind == .poolExhausted)
                    #expect(.now - start >= .seconds(10))
                    #expect(.now - start < .seconds(30))
                    #expect(database.statistics == (2, 0, 0))
                }
            }
            _ = try await database.run(Self.sleep(0.0))
        }
    }

    @Test("A caller that is cancelled while it waits leaves the queue at once")
    func cancelledWait() async throws {
        try await withPool {
            $0.poolSize = 1
            $0.poolBurst = 0
        } _: { database in
            try await database.withConnection { _ in
                let waiting = Task { try await database.run(Self.sleep(0.0)) }
                try await eventually("it waits") { database.statistics.waiting == 1 }
                waiting.cancel()
                let error = await #expect(throws: DatabaseError.self) { try await waiting.value }
                #expect(error?.kind == .cancelled)
                #expect(database.statistics.waiting == 0)
            }
            #expect(database.statistics == (1, 1, 0))
        }
    }

    @Test("Hundreds of callers share a few connections and none is lost, whoever is cancelled in between")
    func crowd() async throws {
        try await withPool {
            $0.poolSize = 2
            $0.poolBurst = 2
            // None is to give up waiting, however busy the machine is.
            $0.poolWait = .seconds(300)
        } _: { database in
            let outcomes = await withTaskGroup(of: DatabaseError.Kind?.self) { group in
                for index in 0..<400 {
                    group.addTask {
                        let call = Task { try await database.run(Self.sleep(0.002)) }
                        if index.isMultiple(of: 4) { call.cancel() }
                        guard case .failure(let error) = await call.result else { return nil }
                        return (error as? DatabaseError)?.kind
                    }
                }
                return await group.reduce(into: []) { $0.append($1) }
            }
            #expect(outcomes.allSatisfy { $0 == nil || $0 == .cancelled })
            #expect(outcomes.count { $0 == nil } >= 300)
            #expect(database.statistics == (2, 2, 0))
        }
    }

    @Test("A connection that comes back inside a transaction is not lent again")
    func leftInTransaction() async throws {
        try await withPool { database in
            try await database.withConnection { _ = try await $0.run(Query<NoRow>("BEGIN")()) }
            #expect(database.statistics == (0, 0, 0))
            _ = try await database.run(Self.sleep(0.0))
        }
    }

    @Test("A pool that was closed has left no session behind, and refuses")
    func closed() async throws {
        try await withDatabase { settings in
            let database = Database(settings: settings, logger: .quiet)
            _ = try await database.run(Self.sleep(0.0))
            await database.close()
            #expect(database.statistics == (0, 0, 0))
            let error = await #expect(throws: DatabaseError.self) { try await database.run(Self.sleep(0.0)) }
            #expect(error?.kind == .unavailable)
        }
    }
}
