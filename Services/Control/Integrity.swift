import ArgumentParser
import Config
import Database
import Integrity
import Storage

struct Check: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Checks that every row has its files and every file its row, and changes nothing.",
        discussion: "It ends with 1 if anything is not as it must be. It may run while the suite works."
    )

    @Flag(help: "Read every original and compare its SHA-256.")
    var sums = false

    @Option(help: "Leave out files written within so many seconds: their rows may be on their way.")
    var grace = 900

    @Option(help: "How many rows of one rule are printed.")
    var limit = 100

    @Flag(help: "Print JSON.")
    var json = false

    private struct Report: Encodable {
        let totals: Checker.Totals
        let violations: [Checker.Violation]
    }

    func validate() throws {
        guard grace >= 0 else { throw ValidationError("--grace takes seconds.") }
        guard (1...10_000).contains(limit) else { throw ValidationError("--limit takes 1 to 10000 rows.") }
    }

    func run() async throws {
        let storage = try await LocalStorage.forCommand()
        let depth = Checker.Depth(grace: .seconds(grace), readsOriginals: sums, maximum: limit)
        var violations: [Checker.Violation] = []
        // A row whose file is missing is asked for again while others are being read.
        let totals = try await Database.with(connections: 2) { database in
            try await Checker(database: database, storage: storage).check(depth) { violation in
                if json { violations.append(violation) } else { print(violation.line) }
            }
        }
        if json {
            try Terminal.printJSON(Report(totals: totals, violations: violations))
        } else {
            Terminal.note(
                "rules: \(totals.rules), files of rows: \(totals.expected), files: \(totals.files), violations: \(totals.violations)"
            )
        }
        if totals.violations > 0 { throw ExitCode.failure }
    }
}

extension Checker.Violation {
    fileprivate var line: String { "\(subject): \(detail). \(rule)" }
}

struct Collect: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "gc",
        abstract: "Says which files have no row and which rows have no file; removes them when told to.",
        discussion: """
            The API removes files without a row by itself every GC_INTERVAL. Files written or wanted within GC_GRACE are
            left alone. Rows without a file are ended by nobody else: of an original that is gone the asset is deleted,
            renditions are made again, an export expires, an unfinished upload is forgotten.
            """
    )

    @Flag(help: "Remove the files without a row.")
    var delete = false

    @Flag(help: "End the rows without a file.")
    var endRows = false

    @Flag(help: "End them even if more than half of all files are gone.")
    var force = false

    func validate() throws {
        guard !force || endRows else { throw ValidationError("--force goes with --end-rows.") }
    }

    func run() async throws {
        let settings = try CollectorSettings(reader: .environment())
        let storage = try await LocalStorage.forCommand()
        // A row is looked at again while others are being read.
        try await Database.with(connections: 2) { database in
            try await files(Collector(database: database, storage: storage), settings)
            try await rows(LostFiles(database: database, storage: storage))
        }
    }

    private func files(_ collector: Collector, _ settings: CollectorSettings) async throws {
        guard delete else {
            guard !endRows else { return }
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

    private func rows(_ lost: LostFiles) async throws {
        if endRows {
            let found = try await lost.end(isCareful: !force) { print($0.line) }
            Terminal.note("files of rows: \(found.expected), gone: \(found.lost), ended: \(found.ended)")
        } else if !delete {
            let found = try await lost.preview { print($0.line) }
            Terminal.note("files of rows: \(found.expected), gone: \(found.lost)")
        }
    }
}

extension FoundFile {
    fileprivate var line: String { "\(volume):\(path) \(bytes)" }
}

extension LostFiles.Lost {
    fileprivate var line: String { "\(path) is gone: \(consequence) (\(subject))" }
}
