import Foundation
import Testing

@testable import Database

@Suite("The list of migrations")
struct MigrationListTests {
    @Test("It names every file of the directory, in order, numbered from 1 without a gap")
    func matchesDirectory() throws {
        let directory = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../../Shared/Database/Migrations").standardizedFileURL
        let files = try FileManager.default.contentsOfDirectory(atPath: directory.path())
        #expect(Migrations.all.map { $0.name + ".sql" } == files.sorted())
        #expect(Migrations.all.map(\.version) == Array(1...files.count))
        for migration in Migrations.all {
            #expect(migration.name.hasPrefix(String(format: "%04d-", migration.version)))
            let text = try String(contentsOf: directory.appending(path: migration.name + ".sql"), encoding: .utf8)
            #expect(migration.sql == text)
        }
    }
}
