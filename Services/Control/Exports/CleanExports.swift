import ArgumentParser
import Database
import Repositories

/// `tolvactl export clean`
struct CleanExports: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "clean",
        abstract: "Removes the archives of deleted and expired exports now.",
        discussion: "The ZIP workers do so on a schedule. It ends with 1 if anything is left."
    )

    /// More than a company's exports of a day; the rest is said to be there.
    private static let shown = 1000

    @Flag(help: "Only say which exports it would be.")
    var dryRun = false

    func run() async throws {
        if dryRun {
            let due = try await Database.with { try await ExportUpkeepRepository($0).due(limit: Self.shown) }
            for export in due { print("\(export.id) \(export.isDeleted ? "deleted" : "expired")") }
            Terminal.note("exports due: \(due.count)\(due.count == Self.shown ? " or more" : "")")
        } else {
            let cleaning = try await Cleaning.ofCommand()
            try await Database.with { try await cleaning.cleanDue(of: $0) }
        }
    }
}
