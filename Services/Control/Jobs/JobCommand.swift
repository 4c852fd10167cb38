import ArgumentParser
import Jobs

/// `tolvactl jobs`
struct JobCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "jobs",
        abstract: "Jobs: what workers do in the background, one for each image, film and part of an export.",
        subcommands: [ListJobs.self, ShowJob.self, RetryJobs.self, DiscardJobs.self]
    )
}
