import Database
import HTTPTypes
import Hummingbird
import Models

/// Receives files and persists them with one commit.
struct UploadController: Sendable {
    let receiver: UploadReceiver
    let items: ItemRepository
    let acceptance: Acceptance

    private struct Accepted: Encodable {
        let assets: [AssetView]
        let rejected: [RejectedFile]
    }

    /// `POST /v1/items/{id}/assets`
    func toItem(_ request: Request, context: UserContext) async throws -> Response {
        try await upload(request, to: try await item(context), context)
    }

    /// `POST /v1/documents`: procedures of the company itself.
    func toCompany(_ request: Request, context: UserContext) async throws -> Response {
        try context.requireWrite()
        return try await upload(request, to: nil, context)
    }

    /// `PUT /v1/items/{id}/assets/{filename}`: the body is the file.
    func fileToItem(_ request: Request, context: UserContext) async throws -> Response {
        try await uploadFile(request, to: try await item(context), context)
    }

    /// `PUT /v1/documents/{filename}`: the body is the file.
    func fileToCompany(_ request: Request, context: UserContext) async throws -> Response {
        try context.requireWrite()
        return try await uploadFile(request, to: nil, context)
    }

    private func item(_ context: UserContext) async throws -> ItemID {
        try context.requireWrite()
        let id = try context.id("item", of: Item.self)
        guard try await items.find(id, in: context.company) != nil else { throw APIError.notFound("item") }
        return id
    }

    private func upload(_ request: Request, to item: ItemID?, _ context: UserContext) async throws -> Response {
        try receiver.admit(request)
        let received = try await receiver.receive(request, context)
        guard !received.files.isEmpty else {
            throw APIError(
                status: .unprocessableContent,
                code: "no_file_accepted",
                detail: "None of the files can be stored; “rejected” says why for each.",
                rejected: received.rejected
            )
        }
        let accepted = try await acceptance.accept(
            received.files,
            on: item,
            in: context.company,
            by: context.user.id
        )
        return try JSONBody.response(
            Accepted(assets: accepted.map(\.view), rejected: received.rejected),
            status: .created
        )
    }

    private func uploadFile(_ request: Request, to item: ItemID?, _ context: UserContext) async throws -> Response {
        let name = try Filename(percentEncoded: context.parameters.get("filename") ?? "")
        try receiver.admitFile(request)
        let file = try await receiver.receiveFile(named: name, request, context)
        let accepted = try await acceptance.accept([file], on: item, in: context.company, by: context.user.id)
        guard let accepted = accepted.first else { throw APIError.unexpected }
        var response = try JSONBody.response(accepted.view, status: accepted.isDuplicate ? .ok : .created)
        if !accepted.isDuplicate { response.headers[.location] = "/v1/assets/\(accepted.asset.id)" }
        return response
    }
}
