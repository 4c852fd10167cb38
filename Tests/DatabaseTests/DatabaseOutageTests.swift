import Logging
import Testing

@testable import Database

@Suite("A database that is not there")
struct DatabaseOutageTests {
    private struct Number: RowDecodable {
        init(from row: borrowing Row) throws(DatabaseError) {}
    }

    private static let one = Query<Number>("SELECT 1")

    @Test("Every caller learns at once that nothing listens, however many they are")
    func refusedConnection() async throws {
        // Port 1 is reserved, and nothing of a test machine listens there.
        let settings = DatabaseSettings(url: "postgres://nobody@127.0.0.1:1/none", poolWait: .seconds(600))
        let database = Database(settings: settings, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let start = ContinuousClock.now
        let kinds = await withTaskGroup(of: DatabaseError.Kind?.self) { group in
            for _ in 0..<100 {
                group.addTask {
                    do throws(DatabaseError) {
                        _ = try await database.run(Self.one())
                        return nil
                    } catch {
                        return error.kind
                    }
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        #expect(kinds == Array(repeating: .unavailable, count: 100))
        // Not a measure of speed: only far less than the wait for a place in the pool.
        #expect(.now - start < .seconds(30))
        #expect(database.statistics == (0, 0, 0))
    }

    @Test("A closed pool refuses instead of waiting")
    func closedPool() async throws {
        let settings = DatabaseSettings(url: "postgres://nobody@127.0.0.1:1/none")
        let database = Database(settings: settings, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        await database.close()
        let error = await #expect(throws: DatabaseError.self) { try await database.run(Self.one()) }
        #expect(error?.kind == .unavailable)
    }
}
