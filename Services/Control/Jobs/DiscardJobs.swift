import ArgumentParser
import Database
import Foundation
import Jobs

/// `tolvactl jobs discard ID…`
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
