import Foundation
import Logging
import TestSupport
import Testing

@testable import Database

@Suite("Migrations of a real Postgres")
struct DatabaseMigrationTests {
    private static let applied = Query<Value<[String]>>(
        "SELECT array_agg(name ORDER BY version) AS value FROM schema_migrations"
    )
    private let first = Migration(1, "0001-first", Array("CREATE TABLE one (id int); INSERT INTO one VALUES (1);".utf8))
    private let second = Migration(2, "0002-second", Array("CREATE TABLE two (id int);".utf8))

    @Test("A new database gets the program's schema, and a second time there is nothing to do")
    func twice() async throws {
        try await withDatabase { settings in
            let names = Migrations.all.map(\.name)
            let before = try await Migrations.pending(in: settings, logger: .quiet)
            let applied = try await Migrations.apply(to: settings, logger: .quiet)
            let again = try await Migrations.apply(to: settings, logger: .quiet)
            let after = try await Migrations.pending(in: settings, logger: .quiet)
            #expect((before, applied) == (names, names))
            #expect((again, after) == ([], []))
            let database = Database(settings: settings, logger: .quiet)
            #expect(try await Migrations.pending(in: database) == [])
            await database.close()
            #expect(try await read(settings) == names)
        }
    }

    @Test("Of several processes that start at once, one migrates and the others wait for it")
    func atOnce() async throws {
        try await withDatabase { settings in
            let applied = try await withThrowingTaskGroup(of: [String].self) { group in
                for _ in 0..<5 { group.addTask { try await Migrations.apply(to: settings, logger: .quiet) } }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(applied.filter { !$0.isEmpty } == [Migrations.all.map(\.name)])
        }
    }

    @Test("A migration that fails leaves nothing of itself, and those before it stay")
    func failure() async throws {
        try await withDatabase { settings in
            let broken = Migration(2, "0002-broken", Array("CREATE TABLE two (id int); SELECT 1/0;".utf8))
            let error = await #expect(throws: DatabaseError.self) {
                try await Migrations.apply([first, broken], to: settings, logger: .quiet)
            }
            #expect(error?.sqlState == "22012")
            let left = try await read(settings)
            #expect(left == ["0001-first"])
            #expect(try await Migrations.apply([first, second], to: settings, logger: .quiet) == ["0002-second"])
        }
    }

    @Test("A role that may not create an extension is told what to grant or to create")
    func extensions() async throws {
        try await withDatabase { settings in
            let needing = Migration(2, "0002-needing", Array("CREATE EXTENSION IF NOT EXISTS pageinspect;".utf8))
            let admin = Database(settings: settings, logger: .quiet)
            let role = "migrator_\(UUID().uuidString.lowercased().replacing("-", with: ""))"
            try await withCleanup {
                try await admin.withConnection { try await $0.script("CREATE ROLE \(role) LOGIN PASSWORD 'x'") }
                var limited = settings
                var address = try #require(URLComponents(string: settings.url))
                (address.user, address.password) = (role, "x")
                limited.url = try #require(address.string)
                try await admin.withConnection { try await $0.script("GRANT CREATE ON SCHEMA public TO \(role)") }
                let error = await #expect(throws: MigrationError.self) {
                    try await Migrations.apply([first, needing], to: limited, logger: .quiet)
                }
                let words = "\(String(describing: error))"
                #expect(words.contains("GRANT CREATE ON DATABASE"))
                #expect(words.contains("CREATE EXTENSION pageinspect;"))
                #expect(try await read(settings) == ["0001-first"])
            } cleanUp: {
                try? await admin.withConnection { try await $0.script("DROP OWNED BY \(role); DROP ROLE \(role)") }
                await admin.close()
            }
        }
    }

    @Test("A changed file of an applied migration stops the next one, with its name")
    func changed() async throws {
        try await withDatabase { settings in
            _ = try await Migrations.apply([first], to: settings, logger: .quiet)
            let edited = Migration(1, "0001-first", Array("CREATE TABLE other (id int);".utf8))
            let error = await #expect(throws: MigrationError.self) {
                try await Migrations.apply([edited, second], to: settings, logger: .quiet)
            }
            #expect(error?.description.contains("0001-first") == true)
            #expect(try await read(settings) == ["0001-first"])
        }
    }

    @Test("A database newer than the program is left alone")
    func newer() async throws {
        try await withDatabase { settings in
            _ = try await Migrations.apply([first, second], to: settings, logger: .quiet)
            let error = await #expect(throws: MigrationError.self) {
                try await Migrations.apply([first], to: settings, logger: .quiet)
            }
            #expect(error?.description.contains("0002-second") == true)
            #expect(try await read(settings) == ["0001-first", "0002-second"])
        }
    }

    private func read(_ settings: DatabaseSettings) async throws -> [String] {
        let database = Database(settings: settings, logger: .quiet)
        let names = try await database.first(Self.applied())?.value ?? []
        await database.close()
        return names
    }
}
