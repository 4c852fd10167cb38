import ArgumentParser

/// `tolvactl export`
struct ExportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Exports: the ZIP files companies have asked for.",
        subcommands: [ListExports.self, CancelExport.self, RequeueExport.self, CleanExports.self]
    )
}
