import ArgumentParser
import Foundation
import Messaging

/// `tolvactl dead list`
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
