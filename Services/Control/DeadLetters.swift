import ArgumentParser
import Database
import Foundation
import Jobs
import Messaging
import Models

struct DeadLetterCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dead",
        abstract: "Dead letters: messages of the broker that no worker could handle.",
        subcommands: [ListDeadLetters.self, ReplayDeadLetters.self, PurgeDeadLetters.self]
    )
}

struct ListDeadLetters: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "Lists the dead letters, oldest first, and leaves them where they are."
    )

    @Option(help: "How many at most.")
    var limit = 50

    @Flag(help: "Print JSON.")
    var json = false

    private struct Line: Encodable {
        let queue: String?
        let reason: String?
        let times: Int
        let diedAt: String?
        let bytes: Int
        let body: String

        init(_ letter: DeadLetter) {
            queue = letter.queue
            reason = letter.reason
            times = letter.times
            diedAt = letter.diedAt?.formatted(.iso8601)
            bytes = letter.bytes
            body = letter.text
        }

        var cells: [String] {
            [queue ?? "-", why, "\(times)", diedAt ?? "-", "\(bytes)", body]
        }

        private var why: String {
            switch reason {
            case "rejected": "not a job's id"
            case "delivery_limit": "came back too often"
            case let reason: reason ?? "-"
            }
        }
    }

    func validate() throws {
        guard (1...1000).contains(limit) else { throw ValidationError("--limit takes 1 to 1000 messages.") }
    }

    func run() async throws {
        let lines = try await DeadLetters.with { letters, _ in
            var lines: [Line] = []
            try await letters.visit(limit: limit) { letter in
                lines.append(Line(letter))
                return .keep
            }
            return lines
        }
        if json {
            try Terminal.printJSON(lines)
        } else {
            Terminal.printTable(["QUEUE", "WHY", "TIMES", "DIED", "BYTES", "BODY"], lines.map(\.cells))
        }
    }
}

struct ReplayDeadLetters: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replay",
        abstract: "Announces the unfinished jobs among the dead letters again.",
        discussion: """
            A dead letter whose job has ended, or is not there any more, is removed. What is not a job's id stays: it is \
            named, and tolvactl dead purge removes it.
            """
    )

    private enum Outcome: String, CaseIterable {
        case announced, removed, kept
    }

    func run() async throws {
        var outcomes: [Outcome] = []
        try await Database.with { database in
            try await DeadLetters.with { letters, settings in
                try await Publisher.with(settings) { publisher in
                    try await letters.visit { letter in
                        let outcome = try await replay(letter, jobs: JobRepository(database), publisher: publisher)
                        outcomes.append(outcome)
                        return outcome == .kept ? .keep : .remove
                    }
                }
            }
        }
        let counts = Outcome.allCases.map { outcome in "\(outcome.rawValue): \(outcomes.count { $0 == outcome })" }
        Terminal.note(counts.joined(separator: ", "))
    }

    private func replay(_ letter: DeadLetter, jobs: JobRepository, publisher: Publisher) async throws -> Outcome {
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

struct PurgeDeadLetters: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "purge",
        abstract: "Removes every dead letter.",
        discussion: "No job is lost: what a job is stands in the database, and is announced again from there."
    )

    @Flag(help: "Do it.")
    var yes = false

    func run() async throws {
        guard yes else {
            throw ControlError(
                "This removes every dead letter for good. See them: tolvactl dead list. Then: tolvactl dead purge --yes"
            )
        }
        print("dead letters removed: \(try await DeadLetters.with { letters, _ in try await letters.purge() })")
    }
}

extension DeadLetter {
    private static let shownCharacters = 80

    /// Its beginning on one line: as text if it is some, and otherwise in hexadecimal.
    fileprivate var text: String {
        if let text = String(validating: beginning, as: UTF8.self), text.unicodeScalars.allSatisfy(\.isShown) {
            return shortened(text, to: Self.shownCharacters)
        }
        let digits = Hexadecimal.encode(beginning.prefix(Self.shownCharacters / 2))
        return shortened("0x" + digits, to: Self.shownCharacters)
    }

    private func shortened(_ text: String, to count: Int) -> String {
        text.count > count || bytes > beginning.count ? text.prefix(count) + "…" : text
    }
}

extension Unicode.Scalar {
    /// Printable, and harmless to a terminal.
    fileprivate var isShown: Bool {
        switch properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse, .unassigned: false
        default: true
        }
    }
}
