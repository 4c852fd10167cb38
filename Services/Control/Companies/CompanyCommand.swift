import ArgumentParser

/// `tolvactl company`
struct CompanyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "company",
        abstract: "Companies: everything belongs to exactly one.",
        subcommands: [CreateCompany.self, ListCompanies.self]
    )
}
