import Foundation
import Models

struct ExportView: Encodable {
    let id: ExportID
    let status: Export.Status
    let progress: Double
    let itemsTotal: Int
    let itemsDone: Int
    @Nullable var bytes: Int64?
    let media: Export.Media
    let procedures: Bool
    let language: Export.Language
    let parts: [ExportPartView]
    @Nullable var positionInQueue: Int?
    let createdAt: Date
    @Nullable var finishedAt: Date?
    @Nullable var expiresAt: Date?

    init(_ export: Export) {
        let archives = export.parts.compactMap(\.archive)
        id = export.id
        status = export.status
        progress = export.progress
        itemsTotal = export.items
        itemsDone = export.itemsDone
        bytes = archives.isEmpty ? nil : archives.reduce(0) { $0 + $1.bytes }
        media = export.options.media
        procedures = export.options.procedures
        language = export.options.language
        parts = export.parts.map { ExportPartView($0, of: export.id) }
        positionInQueue = export.positionInQueue
        createdAt = export.createdAt
        finishedAt = export.finishedAt
        expiresAt = export.expiresAt
    }
}

struct ExportPartView: Encodable {
    let number: Int
    let status: Export.Status
    let progress: Double
    let items: Int
    @Nullable var bytes: Int64?
    @Nullable var seconds: Double?
    @Nullable var url: String?
    @Nullable var error: String?
    let problems: [ExportProblemView]
    let problemCount: Int

    init(_ part: ExportPart, of export: ExportID) {
        number = part.number
        status = part.status
        progress = part.progress
        items = part.items
        bytes = part.archive?.bytes
        seconds = part.archive?.seconds
        url = part.archive.map { _ in ExportPartView.url(of: part.number, in: export) }
        error = part.error
        problems = part.archive?.problems.map(ExportProblemView.init) ?? []
        problemCount = part.archive?.problemCount ?? 0
    }

    static func url(of number: Int, in export: ExportID) -> String { "/v1/exports/\(export)/parts/\(number)/content" }
}

struct ExportProblemView: Encodable {
    @Nullable var item: String?
    let filename: String
    let detail: String

    init(_ problem: ExportProblem) {
        item = problem.item
        filename = problem.filename
        detail = problem.detail
    }
}

extension Export {
    /// How far it is, 0…1; each part counts by its number of items.
    fileprivate var progress: Double {
        items > 0 ? parts.reduce(0) { $0 + $1.progress * Double($1.items) } / Double(items) : 0
    }
}
