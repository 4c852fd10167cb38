import Database
import Hummingbird
import Jobs
import Models
import Storage

/// Receives files and persists them with one commit.
struct UploadController: Sendable {
    let receiver: UploadReceiver
    let items: ItemRepository
    let assets: AssetRepository
    let storage: LocalStorage
    let announcer: Announcer

    private struct Accepted: Encodable {
        let assets: [AssetView]
        let rejected: [RejectedFile]
    }

    /// `POST /v1/items/{id}/assets`
    func toItem(_ request: Request, context: UserContext) async throws -> Response {
        try context.requireWrite()
        let id = try context.id("item", of: Item.self)
        guard try await items.find(id, in: context.company) != nil else { throw APIError.notFound("item") }
        return try await upload(request, to: id, context)
    }

    /// `POST /v1/documents`: procedures of the company itself.
    func toCompany(_ request: Request, context: UserContext) async throws -> Response {
        try context.requireWrite()
        return try await upload(request, to: nil, context)
    }

    private func upload(_ request: Request, to item: ItemID?, _ context: UserContext) async throws -> Response {
        try receiver.admit(request)
        context.acceptBody()
        let received = try await receiver.receive(request)
        guard !received.files.isEmpty else {
            throw APIError(
                status: .unprocessableContent,
                code: "no_file_accepted",
                detail: "None of the files can be stored; “rejected” says why for each.",
                rejected: received.rejected
            )
        }
        let places = try await storage.place(received.files.map(\.spooled), of: context.company)
        let new = zip(received.files, places).map { file, place in
            NewAsset(kind: file.kind, filename: file.filename, contentType: file.contentType, file: place)
        }
        let accepted = try await assets.accept(new, on: item, in: context.company, by: context.user.id)
        announcer.announce(zip(new, accepted).compactMap { $0.announcement(of: $1) })
        return try JSONBody.response(
            Accepted(
                assets: zip(new, accepted).map { AssetView($1, duplicate: $0.id != $1.id) },
                rejected: received.rejected
            ),
            status: .created
        )
    }
}

extension NewAsset {
    /// The job to announce; nil for a file that needs none or was there already.
    fileprivate func announcement(of asset: Asset) -> JobRow? {
        guard asset.id == id, let job, let kind = Job.Kind(processing: kind) else { return nil }
        return JobRow(id: job, kind: kind)
    }
}
