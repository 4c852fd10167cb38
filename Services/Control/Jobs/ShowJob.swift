import ArgumentParser
import Database
import Jobs

/// `tolvactl jobs show ID`
struct ShowJob: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Shows a job with its last 20 attempts."
    )

    @Argument(help: "Its id, or that of its asset or export.", transform: JobReference.argument)
    var job: JobReference

    @Flag(help: "Print JSON.")
    var json = false

    func run() async throws {
        let lines = try await Database.with { try await job.jobs(in: $0).map(JobLine.init) }
        guard !json else { return try Terminal.printJSON(lines) }
        for (index, line) in lines.enumerated() {
            if index > 0 { print() }
            Terminal.printTable(["job", line.id], Self.facts(line))
            guard !line.history.isEmpty else { continue }
            print()
            let titles = ["ATTEMPT", "FENCE", "OUTCOME", "STARTED", "SECONDS", "WORKER", "REASON"]
            Terminal.printTable(titles, line.history.map(Self.cells))
        }
    }

    private static func facts(_ line: JobLine) -> [[String]] {
        let facts: [(String, String?)] = [
            ("kind", line.kind),
            ("state", line.state),
            ("subject", line.subject),
            ("asset", line.assetId),
            ("export", line.exportId),
            ("company", line.company),
            ("attempt", "\(line.attempt) of \(line.maxAttempts), fence \(line.fence)"),
            ("progress", "\(Int(line.progress * 100)) %"),
            ("reason", line.reason),
            ("worker", line.worker),
            ("asked", line.createdAt),
            ("started", line.startedAt),
            ("leased until", line.leaseUntil),
            ("waits until", line.state == "queued" ? line.runAfter : nil),
            ("announced", line.state == "queued" ? (line.announced ? "yes" : "not confirmed yet") : nil),
            ("finished", line.finishedAt),
        ]
        return facts.compactMap { name, value in value.map { [name, $0] } }
    }

    private static func cells(_ attempt: JobLine.Attempt) -> [String] {
        [
            "\(attempt.attempt)", "\(attempt.fence)", attempt.outcome, attempt.startedAt ?? "-",
            attempt.seconds.map { "\($0)" } ?? "-", attempt.worker ?? "-", attempt.reason ?? "",
        ]
    }
}
