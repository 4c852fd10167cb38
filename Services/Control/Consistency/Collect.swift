import ArgumentParser
import Config
import Consistency
import Database
import Storage

/// `tolvactl gc`
struct Collect: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "gc",
        abstract: "Says which files have no row; with --delete, removes them.",
        discussion: """
            The API does so by itself every GC_INTERVAL. Files written or wanted within GC_GRACE are left alone. A row
            whose file is gone is not touched: tolvactl check names it.
            """
    )

    @Flag(help: "Remove them.")
    var delete = false

    func run() async throws {
        let settings = try CollectorSettings(reader: .environment())
        let storage = try await Volumes.ofCommand()
        try await Database.with { database in
            let collector = Collector(database: database, storage: storage)
            guard delete else {
                let found = try await collector.preview(grace: settings.grace) { print($0.line) }
                Terminal.note("files: \(found.files), to be removed: \(found.removed), bytes: \(found.bytes)")
                return
            }
            guard
                let gone = try await collector.collect(
                    grace: settings.grace,
                    isCareful: false,
                    report: { print($0.line) }
                )
            else { throw ControlError("Another process is collecting. Try again when it has ended.") }
            Terminal.note("files: \(gone.files), removed: \(gone.removed), bytes: \(gone.bytes)")
        }
    }
}

extension FoundFile {
    fileprivate var line: String { "\(volume):\(path) \(bytes)" }
}
