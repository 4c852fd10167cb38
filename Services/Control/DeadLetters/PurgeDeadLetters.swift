import ArgumentParser
import Messaging

/// `tolvactl dead purge`
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
