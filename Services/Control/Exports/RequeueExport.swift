import ArgumentParser
import Database
import Models
import Repositories

/// `tolvactl export requeue ID`
struct RequeueExport: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "requeue",
        abstract: "Builds the failed parts of a finished export again, and every part of an expired one.",
        discussion: "A running API announces them to the broker within seconds."
    )

    @Argument(help: "Its id.", transform: ExportID.argument)
    var id: ExportID

    func run() async throws {
        let outcome = try await Database.with { database in
            let exports = ExportUpkeepRepository(database)
            guard try await exports.company(of: id) != nil else { throw ControlError.noExport(id) }
            return try await exports.requeue(id)
        }
        switch outcome {
        case .parts(let count): print("requeued \(id): parts to build: \(count)")
        case .nothing: throw ControlError("Nothing of the export \(id) can be requeued: it has not failed or expired.")
        case .replaced:
            throw ControlError("The export \(id) was asked for again meanwhile, and is being built as another one.")
        }
    }
}
