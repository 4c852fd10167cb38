public import Database
import Foundation
public import Logging

/// Gives `body` an empty database of its own on the server `TEST_DATABASE_URL` names, and drops it afterwards.
///
/// The URL is one of a user who may create databases: `postgres://postgres@127.0.0.1:5432/postgres`.
public func withDatabase<T: Sendable>(_ body: (DatabaseSettings) async throws -> T) async throws -> T {
    guard let url = ProcessInfo.processInfo.environment["TEST_DATABASE_URL"], var own = URLComponents(string: url)
    else {
        throw TestDatabaseMissing()
    }
    let name = "test_" + UUID().uuidString.lowercased().replacing("-", with: "")
    own.path = "/" + name
    guard let ownURL = own.string else { throw TestDatabaseMissing() }

    let server = Database(settings: DatabaseSettings(url: url, poolSize: 1), logger: Logger(label: "test"))
    try await server.withConnection { try await $0.script("CREATE DATABASE \(name) TEMPLATE template0") }
    let outcome: Result<T, any Error>
    do {
        outcome = .success(try await body(DatabaseSettings(url: ownURL)))
    } catch {
        outcome = .failure(error)
    }
    try await server.withConnection { try await $0.script("DROP DATABASE \(name) WITH (FORCE)") }
    await server.close()
    return try outcome.get()
}

/// The tests with a real Postgres were started without one.
public struct TestDatabaseMissing: Error, CustomStringConvertible {
    /// What to set.
    public var description: String { "set TEST_DATABASE_URL to the URL of a Postgres user who may create databases" }
}

/// Gives `body` a pool of connections to an empty database of its own.
///
/// - Parameters:
///   - change: Changes the settings before the pool is made.
///   - body: Has the pool; it is closed afterwards.
/// - Returns: What `body` returns.
/// - Throws: What `body` throws, and what keeps the database from being made.
public func withPool<T: Sendable>(
    _ change: (inout DatabaseSettings) -> Void = { _ in },
    _ body: (Database) async throws -> T
) async throws -> T {
    try await withDatabase { settings in
        var settings = settings
        change(&settings)
        let database = Database(settings: settings, logger: .quiet)
        let outcome: Result<T, any Error>
        do {
            outcome = .success(try await body(database))
        } catch {
            outcome = .failure(error)
        }
        await database.close()
        return try outcome.get()
    }
}

/// A row of one column, `value`.
public struct Value<Content: DatabaseValue>: RowDecodable {
    /// What stands in it.
    public let value: Content

    /// Reads the column `value`.
    public init(from row: borrowing Row) throws(DatabaseError) {
        value = try row["value"]
    }
}

extension Logger {
    /// For tests that make faults on purpose, whose log would look like the test's own failure.
    public static var quiet: Logger { Logger(label: "test") { _ in SwiftLogNoOpLogHandler() } }
}
