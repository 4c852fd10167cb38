import ArgumentParser
import Database
import Foundation
import Logging
import Models
import Repositories
import Storage

struct ExportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Exports: the ZIP files companies have asked for.",
        subcommands: [ListExports.self, CancelExport.self, RequeueExport.self, CleanExports.self]
    )
}

struct ListExports: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "Lists exports, newest first.")

    @Option(help: "Only those of the company with this name.")
    var company: String?

    @Option(
        help: "Only those that are queued, processing, ready, failed or expired.",
        transform: { try choice($0, "status") }
    )
    var status: Export.Status?

    @Option(help: "How many at most.")
    var limit = 50

    @Flag(help: "Print JSON.")
    var json = false

    private struct Line: Encodable {
        let id: String
        let company: String
        let status: String
        let partsReady: Int
        let parts: Int
        let itemsDone: Int
        let items: Int
        let bytes: Int64
        let positionInQueue: Int?
        let errors: [String]
        let createdAt: String
        let expiresAt: String?

        init(_ entry: ExportUpkeepRepository.Entry) {
            let export = entry.export
            let archives = export.parts.compactMap(\.archive)
            id = export.id.description
            company = entry.company
            status = export.status.rawValue
            partsReady = archives.count
            parts = export.parts.count
            itemsDone = export.itemsDone
            items = export.items
            bytes = archives.reduce(0) { $0 + $1.bytes }
            positionInQueue = export.positionInQueue
            errors = export.parts.compactMap { part in part.error.map { "part \(part.number): \($0)" } }
            createdAt = export.createdAt.formatted(.iso8601)
            expiresAt = export.expiresAt?.formatted(.iso8601)
        }

        var cells: [String] {
            [id, status, "\(partsReady)/\(parts)", "\(itemsDone)/\(items)", "\(bytes >> 20)", createdAt, company]
        }
    }

    func validate() throws {
        guard (1...1000).contains(limit) else { throw ValidationError("--limit takes 1 to 1000 exports.") }
    }

    func run() async throws {
        let lines = try await Database.with { database in
            let exports = ExportUpkeepRepository(database)
            let company = try await CompanyRepository(database).id(named: company)
            return try await exports.newest(of: company, status: status, limit: limit).map(Line.init)
        }
        if json {
            try Terminal.printJSON(lines)
        } else {
            Terminal.printTable(["ID", "STATUS", "PARTS", "ITEMS", "MIB", "ASKED", "COMPANY"], lines.map(\.cells))
            for line in lines { for error in line.errors { Terminal.note("\(line.id) \(error)") } }
        }
    }
}

struct CancelExport: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cancel",
        abstract: "Cancels an export, or removes a finished one, with its archives."
    )

    @Argument(help: "Its id.", transform: ExportID.argument)
    var id: ExportID

    func run() async throws {
        let storage = try await LocalStorage.forCommand()
        try await Database.with { database in
            let company = try await ExportUpkeepRepository(database).company(of: id)
            guard let company, try await ExportRepository(database).delete(id, in: company) else {
                throw ControlError.noExport(id)
            }
            print("cancelled \(id)")
            do {
                try await ExportCleaner(database: database, storage: storage, logger: .silent).clean(id)
            } catch {
                throw ControlError("Its archives could not be removed: \(error). Run later: tolvactl export clean")
            }
        }
    }
}

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
        case .tooManyUnfinished: throw ControlError("The company of the export \(id) has too many unfinished ones.")
        case .replaced:
            throw ControlError("The export \(id) was asked for again meanwhile, and is being built as another one.")
        }
    }
}

struct CleanExports: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "clean",
        abstract: "Removes the archives of deleted and expired exports now.",
        discussion: "The ZIP workers do so on a schedule. It ends with 1 if anything is left."
    )

    /// More than a company exports in a day; the output says if there are more.
    private static let shown = 1000

    @Flag(help: "Only say which exports it would be.")
    var dryRun = false

    func run() async throws {
        if dryRun {
            let due = try await Database.with { try await ExportUpkeepRepository($0).due(limit: Self.shown) }
            for export in due { print("\(export.id) \(export.isDeleted ? "deleted" : "expired")") }
            Terminal.note("exports due: \(due.count)\(due.count == Self.shown ? " or more" : "")")
            return
        }
        let storage = try await LocalStorage.forCommand()
        try await Database.with { database in
            // It names the exports it could not clean, and why.
            let logger = Logger(label: "tolvactl") { StreamLogHandler.standardError(label: $0) }
            let cleaner = ExportCleaner(database: database, storage: storage, logger: logger)
            print("exports cleaned: \(try await cleaner.cleanDue())")
            guard try await ExportUpkeepRepository(database).due(limit: 1).isEmpty else {
                throw ControlError("Some archives could not be removed. Run: tolvactl doctor")
            }
        }
    }
}

extension ExportID {
    fileprivate static func argument(_ text: String) throws -> ExportID {
        guard let id = ExportID(text) else { throw ValidationError("\(text) is not an id. Run: tolvactl export list") }
        return id
    }
}

extension ControlError {
    fileprivate static func noExport(_ id: ExportID) -> ControlError {
        ControlError("There is no export \(id). Run: tolvactl export list")
    }
}
