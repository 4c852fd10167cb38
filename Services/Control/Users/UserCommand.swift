import ArgumentParser

/// `tolvactl user`
struct UserCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "user",
        abstract: "Users: each signs in with an e-mail address, in one company.",
        subcommands: [CreateUser.self, ListUsers.self]
    )
}
