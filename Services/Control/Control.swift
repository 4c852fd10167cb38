import ArgumentParser
import Config

/// The operator's command line.
@main
struct Control: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tolvactl",
        abstract: "Looks after a Tolva suite.",
        discussion: """
            It reads the same environment as the services: DATABASE_URL, AMQP_URL, VOLUMES.
            It ends with 0 if all went well, 64 if it was called wrongly and 1 for anything else.
            """,
        version: SettingsReader.environment().string("TOLVA_VERSION") ?? "dev",
        subcommands: [
            Migrate.self, CompanyCommand.self, UserCommand.self, ExportCommand.self, JobCommand.self,
            DeadLetterCommand.self, Check.self, Collect.self, Doctor.self,
        ]
    )
}

/// What the operator is told when a command cannot do what it was asked to.
struct ControlError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }

    static func noCompany(_ name: String) -> ControlError {
        ControlError("There is no company \(name). Run: tolvactl company list")
    }
}
