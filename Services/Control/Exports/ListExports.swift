import ArgumentParser
import Database
import Foundation
import Models
import Repositories

/// `tolvactl export list`
struct ListExports: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "Lists exports, newest first.")

    @Option(help: "Only those of the company with this name.")
    var company: String?

    @Option(help: "Only those that are queued, processing, ready, failed or expired.", transform: Self.status)
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

    private static func status(_ word: String) throws -> Export.Status {
        guard let status = Export.Status(rawValue: word.lowercased()) else {
            throw ValidationError(
                "A status is one of \(Export.Status.allCases.map(\.rawValue).joined(separator: ", "))."
            )
        }
        return status
    }
}
