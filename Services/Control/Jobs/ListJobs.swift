import ArgumentParser
import Database
import Jobs
import Models

/// `tolvactl jobs list`
struct ListJobs: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "Lists jobs, newest first.")

    @Option(help: "Only media.image, media.video or zip.part.", transform: Job.Kind.argument)
    var kind: Job.Kind?

    @Option(help: "Only those that are queued, running, done or failed.", transform: Job.State.argument)
    var state: Job.State?

    @Option(help: "Only those of the company with this name.")
    var company: String?

    @Option(help: "How many at most.")
    var limit = 50

    @Flag(help: "Print JSON.")
    var json = false

    func validate() throws {
        guard (1...1000).contains(limit) else { throw ValidationError("--limit takes 1 to 1000 jobs.") }
    }

    func run() async throws {
        let lines = try await Database.with { database in
            let company = try await CompanyRepository(database).id(named: company)
            let jobs = JobRepository(database)
            return try await jobs.newest(kind: kind, state: state, company: company, limit: limit).map(JobLine.init)
        }
        if json {
            try Terminal.printJSON(lines)
        } else {
            let titles = ["ID", "KIND", "STATE", "ATTEMPT", "ASKED", "COMPANY", "SUBJECT", "REASON"]
            Terminal.printTable(titles, lines.map(Self.cells))
        }
    }

    private static func cells(_ line: JobLine) -> [String] {
        [
            line.id, line.kind, line.state, line.attempts, line.createdAt, line.company ?? "-", line.subject,
            line.reason ?? "",
        ]
    }
}
