import Foundation
import Models
import TestSupport
import Testing

@testable import Database

/// PgBouncer as Debian 12 has it (1.18), which lends each transaction another session and knows no prepared statements.
@Suite("A pooler in front of a real Postgres")
struct DatabasePoolerTests {
    private static let number = Query<Value<Int>>("SELECT $1::integer AS value")
    private static let twice = Query<Value<Int>>("SELECT 2 * $1::integer AS value")
    private static let text = Query<Value<String>>("SELECT 'text ' || $1::integer AS value")
    private static let negative = Query<Value<Int>>("SELECT -$1::integer AS value")

    @Test(
        "Several processes share its sessions, and every statement is the one that was meant",
        arguments: ["transaction", "session"],
        [true, false]
    )
    func shared(mode: String, passesOver: Bool) async throws {
        try await withPooler(mode: mode, passesOverOptions: passesOver) { settings in
            let processes = (0..<3).map { _ in Database(settings: settings, logger: .quiet) }
            try await withCleanup {
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for round in 0..<150 {
                        let database = processes[round % processes.count]
                        group.addTask { try await Self.ask(database, round) }
                    }
                    try await group.waitForAll()
                }
                for database in processes {
                    let pooler = try #require(database.pooler)
                    #expect(pooler.lostSettings == ["statement_timeout", "idle_in_transaction_session_timeout"])
                }
            } cleanUp: {
                for database in processes { await database.close() }
            }
        }
    }

    @Test("What it does not pass on is said, and a server without one says nothing")
    func readiness() async throws {
        try await withPooler(mode: "transaction", passesOverOptions: true) { settings in
            let database = Database(settings: settings, logger: .quiet)
            let readiness = await database.readiness
            await database.close()
            let reason =
                "the pooler before Postgres does not pass on statement_timeout, idle_in_transaction_session_timeout: "
                + "set it for the role"
            #expect(readiness == .degraded(reason))
        }
        try await withPool(isMigrated: true) { database in
            let readiness = await database.readiness
            #expect(readiness == .ok)
            #expect(database.pooler == nil)
        }
    }

    /// Each round begins with another statement, so that those of one process never have the numbers of another's.
    private static func ask(_ database: Database, _ round: Int) async throws {
        switch round % 5 {
        case 0: #expect(try await database.first(number(round))?.value == round)
        case 1: #expect(try await database.first(twice(round))?.value == 2 * round)
        case 2: #expect(try await database.first(text(round))?.value == "text \(round)")
        case 3:
            let results = try await database.transaction([negative(round), number(round)])
            let values = try results.map { try $0.decode(Value<Int>.self).first?.value }
            #expect(values == [-round, round])
        default:
            let values = try await database.withTransaction { connection in
                let first = try await connection.first(twice(round))?.value
                return [first, try await connection.first(negative(round))?.value]
            }
            #expect(values == [2 * round, -round])
        }
    }

    /// Gives the address of a migrated database through a pooler, which is stopped afterwards.
    private func withPooler(
        mode: String,
        passesOverOptions: Bool,
        _ body: (DatabaseSettings) async throws -> Void
    ) async throws {
        try await withDatabase(isMigrated: true) { settings in
            let directory = FileManager.default.temporaryDirectory.appending(path: "pooler-\(UUID())")
            try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
            defer { try? FileManager.default.removeItem(at: directory) }
            // It refuses to run as root.
            try await run("chmod", "777", directory.path)
            let direct = try #require(URLComponents(string: settings.url))
            let port = try freePort()
            let server = [
                "host=\(direct.host ?? "127.0.0.1")", "port=\(direct.port ?? 5432)",
                "user=\(direct.user ?? "postgres")",
                direct.password.map { "password=\($0)" },
            ]
            let configuration = """
                [databases]
                * = \(server.compactMap(\.self).joined(separator: " "))
                [pgbouncer]
                listen_addr = 127.0.0.1
                listen_port = \(port)
                unix_socket_dir =
                auth_type = any
                pool_mode = \(mode)
                default_pool_size = \(mode == "session" ? 100 : 4)
                max_client_conn = 200
                pidfile = \(directory.path)/pid
                logfile = \(directory.path)/log
                \(passesOverOptions ? "ignore_startup_parameters = options" : "")
                """
            let file = directory.appending(path: "pgbouncer.ini")
            try Data(configuration.utf8).write(to: file)
            let user = getuid() == 0 ? "setpriv --reuid=65534 --regid=65534 --clear-groups" : ""
            try await run("sh", "-c", "PATH=$PATH:/usr/sbin \(user) pgbouncer -d '\(file.path)' 2>&1")
            try await withCleanup {
                let log = directory.appending(path: "log")
                // It returns to whoever started it before it listens.
                try await eventually(
                    "pgbouncer listens; its log: \((try? String(contentsOf: log, encoding: .utf8)) ?? "none")"
                ) {
                    (try? await run("bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/\(port)")) != nil
                }
                var pooled = URLComponents()
                (pooled.scheme, pooled.host, pooled.port) = ("postgresql", "127.0.0.1", Int(port))
                (pooled.user, pooled.path) = (direct.user, direct.path)
                var settings = settings
                settings.url = try #require(pooled.string)
                settings.poolSize = 5
                settings.poolBurst = 2
                try await body(settings)
            } cleanUp: {
                try await run("sh", "-c", "kill $(cat '\(directory.path)/pid')")
            }
        }
    }
}
