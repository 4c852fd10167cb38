public import Database
import Foundation
public import Logging

/// Gives `body` a database of its own on the server `TEST_DATABASE_URL` names, and drops it afterwards.
///
/// - Parameters:
///   - isMigrated: Whether the database has the program's tables; otherwise it is empty.
///   - body: Has the database's address.
/// - Returns: What `body` returns.
/// - Throws: What `body` throws, and what keeps the database from being made.
public func withDatabase<T: Sendable>(
    isMigrated: Bool = false,
    _ body: (DatabaseSettings) async throws -> T
) async throws -> T {
    // Who has one already does not wait for another.
    guard !DatabasePlaces.hasPlace else { return try await withNewDatabase(isMigrated: isMigrated, body) }
    await DatabasePlaces.shared.take()
    return try await withCleanup {
        try await DatabasePlaces.$hasPlace.withValue(true) {
            try await withNewDatabase(isMigrated: isMigrated, body)
        }
    } cleanUp: {
        await DatabasePlaces.shared.give()
    }
}

/// Tests of one run that have a database at a time: all of them at once would want more connections than a server has.
private actor DatabasePlaces {
    @TaskLocal static var hasPlace = false
    static let shared = DatabasePlaces()

    private var free = 24
    private var waiting: [CheckedContinuation<Void, Never>] = []

    func take() async {
        guard free == 0 else {
            free -= 1
            return
        }
        await withCheckedContinuation { waiting.append($0) }
    }

    func give() {
        guard waiting.isEmpty else {
            waiting.removeFirst().resume()
            return
        }
        free += 1
    }
}

private func withNewDatabase<T: Sendable>(
    isMigrated: Bool,
    _ body: (DatabaseSettings) async throws -> T
) async throws -> T {
    let url = try TestServer.postgres.url
    let name = "test_" + UUID().uuidString.lowercased().replacing("-", with: "")
    var own = URLComponents(string: url)
    own?.path = "/" + name
    guard let ownURL = own?.string else {
        throw CommandFailure(command: "tests", status: nil, message: "TEST_DATABASE_URL is no URL")
    }
    var serverSettings = DatabaseSettings(url: url, poolSize: 1)
    // At the start of a run hundreds of databases are made at once, on a disk that is busy with videos.
    serverSettings.statementTimeout = .seconds(300)
    let server = Database(settings: serverSettings, logger: .quiet)
    return try await withCleanup {
        try await server.withConnection { try await $0.script("CREATE DATABASE \(name) TEMPLATE template0") }
        return try await withCleanup {
            let settings = DatabaseSettings(url: ownURL)
            if isMigrated { _ = try await Migrations.apply(to: settings, logger: .quiet) }
            return try await body(settings)
        } cleanUp: {
            try await server.withConnection { try await $0.script("DROP DATABASE \(name) WITH (FORCE)") }
        }
    } cleanUp: {
        await server.close()
    }
}

/// Gives `body` a pool of connections to a database of its own, which is closed afterwards.
///
/// - Parameters:
///   - isMigrated: Whether the database has the program's tables; otherwise it is empty.
///   - change: Changes the settings before the pool is made.
///   - body: Has the pool.
/// - Returns: What `body` returns.
/// - Throws: What `body` throws, and what keeps the database from being made.
public func withPool<T: Sendable>(
    isMigrated: Bool = false,
    _ change: (inout DatabaseSettings) -> Void = { _ in },
    _ body: (Database) async throws -> T
) async throws -> T {
    try await withDatabase(isMigrated: isMigrated) { settings in
        var settings = settings
        change(&settings)
        let database = Database(settings: settings, logger: .quiet)
        return try await withCleanup {
            try await body(database)
        } cleanUp: {
            await database.close()
        }
    }
}

/// A row of one column, `value`.
public struct Value<Content: DatabaseValue>: RowDecodable {
    public let value: Content

    public init(from row: borrowing Row) throws(DatabaseError) {
        value = try row["value"]
    }
}

extension Logger {
    /// For tests that make faults on purpose, whose log would look like the test's own failure.
    public static var quiet: Logger { Logger(label: "test") { _ in SwiftLogNoOpLogHandler() } }
}
