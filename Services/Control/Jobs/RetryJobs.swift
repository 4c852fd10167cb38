import ArgumentParser
import Database
import Jobs
import Models

/// `tolvactl jobs retry ID…`
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

    @Option(help: "With --all-failed: only media.image, media.video or zip.part.", transform: Job.Kind.argument)
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

    /// One page after the other towards older jobs: one that fails again meanwhile does not come up twice.
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
