import Database
import Foundation
import HTTPTypes
import Hummingbird
import Models
import Repositories
import Storage

/// The archives of exports, on their way to a disk.
struct ArchiveController: Sendable {
    let exports: ExportRepository
    let sessions: SessionRepository
    let storage: LocalStorage
    let files: FileSender

    private struct TicketView: Encodable {
        let url: String
        let expiresAt: Date
    }

    /// `GET /v1/exports/{id}/parts/{number}/content`
    func content(_ request: Request, context: UserContext) async throws -> Response {
        let (export, part) = try await find(context)
        let archive = try part.readyArchive
        do {
            return try await files.send(
                FileSender.File(
                    locate: { [storage] () throws(StorageError) in
                        try storage.path(volume: archive.volume, relative: archive.path)
                    },
                    contentType: "application/zip",
                    entityTag: archive.entityTag,
                    // The row does not say when this attempt's bytes were written; the tag is of them alone.
                    modified: nil,
                    filename: export.filename(of: part),
                    disposition: .attachment
                ),
                to: request,
                context
            )
        } catch let error as APIError where error.code == APIError.fileMissing.code {
            // It may have expired, or have been deleted, since it was looked at.
            _ = try await find(context).part.readyArchive
            throw error
        }
    }

    /// Makes an address that gives the archive to whoever has it, for a while: see ``DownloadTicket``.
    func ticket(_ request: Request, context: UserContext) async throws -> Response {
        let (export, part) = try await find(context)
        _ = try part.readyArchive
        let ticket = DownloadTicket.new(for: ExportPartView.url(of: part.number, in: export.id))
        let expiry = try await sessions.open(ticket.hash, for: context.user.id, life: DownloadTicket.life)
        var response = try JSONBody.response(TicketView(url: ticket.url, expiresAt: expiry), status: .created)
        response.headers[.cacheControl] = "no-store"
        return response
    }

    private func find(_ context: UserContext) async throws -> (export: Export, part: ExportPart) {
        let export = try await exports.find(context)
        let number = context.parameters.get("number").flatMap { Int($0) }
        guard let part = export.parts.first(where: { $0.number == number }) else {
            let detail = "The export has parts 1 to \(export.parts.count)."
            throw APIError(status: .notFound, code: "not_found", detail: detail)
        }
        return (export, part)
    }
}

extension ExportPart {
    fileprivate var readyArchive: Archive {
        get throws(APIError) {
            if let archive { return archive }
            switch status {
            case .queued, .processing, .ready:
                throw APIError(
                    status: .conflict,
                    code: "part_not_ready",
                    detail: "This part is not built yet. Ask again when its status is ready."
                )
            case .failed:
                throw APIError(
                    status: .conflict,
                    code: "part_failed",
                    detail: error ?? "This part could not be built. Ask for the export again."
                )
            case .expired:
                throw APIError(
                    status: .gone,
                    code: "export_expired",
                    detail: "The archives of this export have lived their life and are gone. Ask for the export again."
                )
            }
        }
    }
}

extension ExportPart.Archive {
    /// Each attempt writes a path of its own, `…/<export>/<number>-<fence>.zip`, so the tag changes when the bytes may
    /// have.
    var entityTag: String {
        path.split(separator: "/").suffix(2).joined(separator: "-").replacing(".zip", with: "")
    }
}

extension Export {
    /// “export 2026-11-21 1 of 2.zip”, in the language of what is in it.
    func filename(of part: ExportPart) -> String {
        let day = createdAt.formatted(.iso8601.year().month().day())
        let (name, of) = options.language == .es ? ("exportación", "de") : ("export", "of")
        return parts.count == 1 ? "\(name) \(day).zip" : "\(name) \(day) \(part.number) \(of) \(parts.count).zip"
    }
}
