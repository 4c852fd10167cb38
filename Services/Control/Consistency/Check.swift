import ArgumentParser
import Database
import Integrity

/// `tolvactl check`
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
        let storage = try await Volumes.ofCommand()
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
