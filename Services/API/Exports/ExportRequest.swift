import Foundation
import Models
import Repositories

/// What a client sends to ask for an export. An empty body asks for every item of the company.
struct ExportRequest: Decodable {
    struct Filter: Decodable {
        let q: String?
        let kind: String?
    }

    var itemIds: [ItemID]?
    var filter: Filter?
    var media: Export.Media?
    var procedures: Bool?
    var language: Export.Language?

    /// Completes what the client left open; `language` is for one that names none. Throws `bad_json` for two selections
    /// at once, `bad_value`, `too_many_items`.
    func order(language: Export.Language, limits: ExportLimits) throws(APIError) -> ExportOrder {
        let selection = try selection()
        if case .items(let ids) = selection, ids.count > limits.maximumItems {
            throw .tooManyItems(limits.maximumItems)
        }
        let defaults = Export.Options()
        return ExportOrder(
            selection: selection,
            options: Export.Options(
                media: media ?? defaults.media,
                procedures: procedures ?? defaults.procedures,
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
            .filter(
                text: try InputText.filter(filter.q, "filter.q"),
                kind: try InputText.filter(filter.kind, "filter.kind")
            )
        case (_?, _?): throw .badRequest("bad_json", "Send “item_ids” or “filter”, not both.")
        }
    }
}

extension Export.Language {
    /// The supported language an `Accept-Language` header prefers (RFC 9110, 12.5.4); English if it names none of them.
    init(accepted header: String?) {
        let wishes = (header ?? "").lowercased().split(separator: ",").compactMap(Self.wish)
        // Of equal weights the first wins.
        let best = wishes.enumerated().max { ($0.element.weight, -$0.offset) < ($1.element.weight, -$1.offset) }
        self = best?.element.language ?? .en
    }

    /// Reads `es-MX;q=0.8`; nil for another language, and for one that is not wanted.
    private static func wish(_ text: Substring) -> (language: Self, weight: Double)? {
        let fields = text.split(separator: ";").map { $0.trimmingCharacters(in: .whitespaces) }
        guard let language = fields.first?.split(separator: "-").first.flatMap({ Self(rawValue: String($0)) }) else {
            return nil
        }
        let weight = fields.dropFirst().first { $0.hasPrefix("q=") }.map { Double($0.dropFirst(2)) ?? 0 } ?? 1
        return weight > 0 ? (language, weight) : nil
    }
}
