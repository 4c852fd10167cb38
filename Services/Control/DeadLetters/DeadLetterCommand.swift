import ArgumentParser

/// `tolvactl dead`
struct DeadLetterCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dead",
        abstract: "Dead letters: messages of the broker that no worker could handle.",
        subcommands: [ListDeadLetters.self, ReplayDeadLetters.self, PurgeDeadLetters.self]
    )
}
