import Foundation
import Models

extension Export.Language {
    /// The one of ours that an `Accept-Language` header likes best (RFC 9110, 12.5.4); English if it names neither.
    init(accepted header: String?) {
        let wishes = (header ?? "").lowercased().split(separator: ",").compactMap(Self.wish)
        // Of two that are liked the same, the one that stands first.
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
