import ArgumentParser
import Database
import Models
import Repositories

/// `tolvactl export cancel ID`
struct CancelExport: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cancel",
        abstract: "Cancels an export, or removes a finished one, with its archives."
    )

    @Argument(help: "Its id.", transform: ExportID.argument)
    var id: ExportID

    func run() async throws {
        let cleaning = try await Cleaning.ofCommand()
        try await Database.with { database in
            let company = try await ExportUpkeepRepository(database).company(of: id)
            guard let company, try await ExportRepository(database).delete(id, in: company) else {
                throw ControlError.noExport(id)
            }
            print("cancelled \(id)")
            try await cleaning.clean(id, of: database)
        }
    }
}
