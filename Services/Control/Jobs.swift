import ArgumentParser
import Database
import Foundation
import Jobs
import Models

struct JobCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "jobs",
        abstract: "Jobs: what workers do in the background, one for each image, video and part of an export.",
        subcommands: [ListJobs.self, ShowJob.self, RetryJobs.self, DiscardJobs.self]
    )
}

struct ListJobs: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "Lists jobs, newest first.")

    @Option(help: "Only media.image, media.video or zip.part.", transform: { try choice($0, "kind") })
    var kind: Job.Kind?

    @Option(help: "Only those that are queued, running, done or failed.", transform: { try choice($0, "state") })
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
            ("progress", "\(Int(exactly: (line.progress * 100).rounded(.down)) ?? 0) %"),
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

struct RetryJobs: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "retry",
        abstract: "Queues failed jobs again, with all their attempts.",
        discussion:
            "A running API announces them to the broker within seconds. It ends with 1 if one could not be queued."
    )

    private static let pageLength = 500

    @Argument(help: "Their ids, or those of their assets or exports.", transform: JobReference.argument)
    var jobs: [JobReference] = []

    @Flag(help: "Every job that has failed.")
    var allFailed = false

    @Option(
        help: "With --all-failed: only media.image, media.video or zip.part.",
        transform: { try choice($0, "kind") }
    )
    var kind: Job.Kind?

    func validate() throws {
        guard jobs.isEmpty == allFailed else { throw ValidationError("Name jobs, or say --all-failed.") }
        guard kind == nil || allFailed else { throw ValidationError("--kind goes with --all-failed.") }
    }

    func run() async throws {
        let problems = try await Database.with { database in
            allFailed ? try await retryAll(in: database) : try await retryNamed(in: database)
        }
        if problems > 0 { throw ExitCode.failure }
    }

    private func retryNamed(in database: Database) async throws -> Int {
        var problems = 0
        for reference in jobs {
            let found = try await reference.jobs(in: database)
            let failed = found.filter { $0.state == .failed }
            if failed.isEmpty {
                let states = Set(found.map(\.state.rawValue)).sorted().joined(separator: " and ")
                Terminal.note("\(reference) has not failed: it is \(states).")
                problems += 1
            }
            for job in failed where try await !retry(job, in: database) { problems += 1 }
        }
        return problems
    }

    /// Pages towards older jobs: one that fails again meanwhile does not come up twice.
    private func retryAll(in database: Database) async throws -> Int {
        var (problems, queued) = (0, 0)
        var oldest: JobID?
        while true {
            let page = try await JobRepository(database)
                .newest(kind: kind, state: .failed, before: oldest, limit: Self.pageLength)
            for job in page {
                if try await retry(job, in: database) { queued += 1 } else { problems += 1 }
            }
            guard page.count == Self.pageLength else { break }
            oldest = page.last?.id
        }
        Terminal.note("jobs queued: \(queued), not queued: \(problems)")
        return problems
    }

    private func retry(_ job: JobEntry, in database: Database) async throws -> Bool {
        switch try await JobRepository(database).retry(job.id) {
        case .queued:
            print("queued \(job.id)")
            return true
        case .notFailed:
            Terminal.note("\(job.id) has not failed any more.")
        case .expired:
            Terminal.note("\(job.id) is of an expired export: all of it has to be built. \(requeueAdvice(job))")
        case .replaced:
            Terminal.note("\(job.id): the export was asked for again meanwhile, and is being built as another one.")
        }
        return false
    }

    private func requeueAdvice(_ job: JobEntry) -> String {
        if case .part(_, let export) = job.subject { "Run: tolvactl export requeue \(export)" } else { "" }
    }
}

struct DiscardJobs: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "discard",
        abstract: "Ends jobs that wait or run as failed.",
        discussion: """
            A worker that has one stops within its next renewal of the lease (15 s), and deletes what it has made. What a \
            job was about stays: an asset keeps its original. It can be tried again: tolvactl jobs retry
            """
    )

    private static let maximumReasonBytes = 500

    @Argument(help: "Their ids, or those of their assets or exports.", transform: JobReference.argument)
    var jobs: [JobReference]

    @Option(help: "Why, for the people who wait for it.")
    var reason = "The operator has discarded it."

    func validate() throws {
        guard !reason.trimmingCharacters(in: .whitespacesAndNewlines).isEmpty,
            reason.utf8.count <= Self.maximumReasonBytes
        else { throw ValidationError("--reason takes a text of up to \(Self.maximumReasonBytes) bytes.") }
    }

    func run() async throws {
        let problems = try await Database.with { database in
            var problems = 0
            for reference in jobs where try await !discard(reference, in: database) { problems += 1 }
            return problems
        }
        if problems > 0 { throw ExitCode.failure }
    }

    private func discard(_ reference: JobReference, in database: Database) async throws -> Bool {
        var count = 0
        for job in try await reference.jobs(in: database)
        where try await JobRepository(database).discard(job.id, reason: reason) {
            print("discarded \(job.id)")
            count += 1
        }
        if count == 0 { Terminal.note("\(reference) has ended already.") }
        return count > 0
    }
}

/// What an operator names jobs by: the id of a job, of its asset, or of its export.
struct JobReference: Sendable, CustomStringConvertible {
    let id: UUID

    static func argument(_ text: String) throws -> JobReference {
        guard let id = UUID(uuidString: text) else {
            throw ValidationError("\(text) is not an id. Run: tolvactl jobs list")
        }
        return JobReference(id: id)
    }

    /// The jobs it names, at least one.
    func jobs(in database: Database) async throws -> [JobEntry] {
        let jobs = try await JobRepository(database).find(id)
        guard !jobs.isEmpty else {
            throw ControlError("No job, asset or export with a job has the id \(self). Run: tolvactl jobs list")
        }
        return jobs
    }

    var description: String { id.uuidString.lowercased() }
}

struct JobLine: Encodable {
    struct Attempt: Encodable {
        let attempt: Int
        let fence: Int64
        let outcome: String
        let worker: String?
        let startedAt: String?
        let endedAt: String
        let seconds: Double?
        let reason: String?
    }

    let id: String
    let kind: String
    let state: String
    let attempt: Int
    let maxAttempts: Int
    let fence: Int64
    let progress: Double
    let company: String?
    let subject: String
    let assetId: String?
    let exportId: String?
    let reason: String?
    let worker: String?
    let announced: Bool
    let runAfter: String
    let leaseUntil: String?
    let createdAt: String
    let startedAt: String?
    let finishedAt: String?
    let history: [Attempt]

    init(_ job: JobEntry) {
        id = job.id.description
        kind = job.kind.rawValue
        state = job.state.rawValue
        attempt = job.attempt
        maxAttempts = job.maximumAttempts
        fence = job.fence
        progress = job.progress
        company = job.company
        subject = job.subject.words
        assetId = job.subject.asset?.description
        exportId = job.subject.export?.description
        reason = job.reason
        worker = job.worker
        announced = job.isAnnounced
        runAfter = job.runAfter.formatted(.iso8601)
        leaseUntil = job.leaseUntil?.formatted(.iso8601)
        createdAt = job.createdAt.formatted(.iso8601)
        startedAt = job.startedAt?.formatted(.iso8601)
        finishedAt = job.finishedAt?.formatted(.iso8601)
        history = job.history.map(Attempt.init)
    }

    /// `2/5`: the attempt, of how many.
    var attempts: String { "\(attempt)/\(maxAttempts)" }
}

extension JobLine.Attempt {
    fileprivate init(_ attempt: JobEntry.Attempt) {
        self.attempt = attempt.attempt
        fence = attempt.fence
        outcome = attempt.outcome.rawValue
        worker = attempt.worker
        startedAt = attempt.startedAt?.formatted(.iso8601)
        endedAt = attempt.endedAt.formatted(.iso8601)
        seconds = attempt.startedAt.map { (attempt.endedAt.timeIntervalSince($0) * 100).rounded() / 100 }
        reason = attempt.reason
    }
}

extension JobEntry.Subject {
    fileprivate var words: String {
        switch self {
        case .asset(_, let filename, let item): item.map { "\(filename) of \($0)" } ?? filename
        case .part(let number, _): "part \(number)"
        case .unknown(let id): "\(id.uuidString.lowercased()), which is gone"
        }
    }

    fileprivate var asset: AssetID? {
        if case .asset(let id, _, _) = self { id } else { nil }
    }

    fileprivate var export: ExportID? {
        if case .part(_, let id) = self { id } else { nil }
    }
}
