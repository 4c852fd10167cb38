import ArgumentParser
import Database
import Jobs
import Messaging
import Models

/// `tolvactl dead replay`
struct ReplayDeadLetters: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replay",
        abstract: "Announces the unfinished jobs among the dead letters again.",
        discussion: """
            A dead letter whose job has ended, or is not there any more, is removed. What is not a job's id stays: it is \
            named, and tolvactl dead purge removes it.
            """
    )

    private enum Fate: String, CaseIterable {
        case announced, removed, kept
    }

    func run() async throws {
        var fates: [Fate] = []
        try await Database.with { database in
            try await DeadLetters.with { letters, settings in
                try await Publisher.with(settings) { publisher in
                    try await letters.visit { letter in
                        let fate = try await fate(of: letter, jobs: JobRepository(database), publisher: publisher)
                        fates.append(fate)
                        return fate == .kept ? .keep : .remove
                    }
                }
            }
        }
        let counts = Fate.allCases.map { fate in "\(fate.rawValue): \(fates.count { $0 == fate })" }
        Terminal.note(counts.joined(separator: ", "))
    }

    private func fate(of letter: DeadLetter, jobs: JobRepository, publisher: Publisher) async throws -> Fate {
        guard let id = letter.job else {
            print("kept \(letter.text): it is not a job's id")
            return .kept
        }
        guard let job = try await jobs.find(id.rawValue).first(where: { $0.id == id }) else {
            print("removed \(id): there is no such job")
            return .removed
        }
        switch job.state {
        case .done:
            print("removed \(id): it is done")
            return .removed
        case .failed:
            print("removed \(id): it has failed. To try it again: tolvactl jobs retry \(id)")
            return .removed
        case .queued, .running:
            try await publisher.publish(.job(id, of: job.kind))
            print("announced \(id): \(job.kind.rawValue)")
            return .announced
        }
    }
}
