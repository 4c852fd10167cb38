import Database
import HTTPTypes
import Models
import Repositories

/// What a client sends to ask for an export. Nothing at all asks for every item of the company.
struct ExportBody: Decodable {
    struct Filter: Decodable {
        let q: String?
        let kind: String?
    }

    var itemIds: [ItemID]?
    var filter: Filter?
    var media: Export.Media?
    var procedures: Bool?
    var language: Export.Language?

    /// Completes what the client left open.
    ///
    /// - Parameters:
    ///   - language: For a client that names none.
    ///   - limits: Of this service.
    /// - Returns: What the database is asked for.
    /// - Throws: `bad_json` for two selections at once, `bad_value`, `too_many_items`.
    func order(language: Export.Language, limits: ExportLimits) throws(APIError) -> ExportOrder {
        let selection = try selection()
        if case .items(let ids) = selection, ids.count > limits.maximumItems {
            throw .tooManyItems(limits.maximumItems)
        }
        let usual = Export.Options()
        return ExportOrder(
            selection: selection,
            options: Export.Options(
                media: media ?? usual.media,
                procedures: procedures ?? usual.procedures,
                language: self.language ?? language
            ),
            itemsPerPart: limits.itemsPerPart,
            maximumItems: limits.maximumItems,
            maximumUnfinished: limits.maximumUnfinished,
            life: limits.life
        )
    }

    private func selection() throws(APIError) -> ExportOrder.Selection {
        switch (itemIds, filter) {
        case (nil, nil): .all
        case (let ids?, nil): .items(ids)
        case (nil, let filter?):
            .filter(text: try Text.filter(filter.q, "filter.q"), kind: try Text.filter(filter.kind, "filter.kind"))
        case (_?, _?): throw .badRequest("bad_json", "Send “item_ids” or “filter”, not both.")
        }
    }
}

extension APIError {
    static func tooManyItems(_ limit: Int) -> APIError {
        APIError(
            status: .unprocessableContent,
            code: "too_many_items",
            detail: "An export may have \(limit) items at most. Choose fewer, or ask for several exports."
        )
    }
}
