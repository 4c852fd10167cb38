import Foundation
import Hummingbird

/// The query of a URL, read as browsers write it: `+` is a space.
struct QueryParameters: Sendable {
    private var values: [String: String] = [:]

    /// Reads the query of a request.
    ///
    /// - Throws: `bad_query` if what stands behind its percent signs is not UTF-8, or if a name comes twice, since two
    ///   readers would choose differently.
    init(_ request: Request) throws(APIError) {
        for pair in (request.uri.query ?? "").split(separator: "&") {
            let ends = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = Self.text(ends[0]), let value = Self.text(ends.count == 2 ? ends[1] : "") else {
                throw .badRequest("bad_query", "The query is not percent-encoded UTF-8.")
            }
            guard values.updateValue(value, forKey: name) == nil else {
                throw .badRequest("bad_query", "The query has “\(name)” twice.")
            }
        }
    }

    subscript(name: String) -> String? { values[name] }

    /// A parameter that is one of a few words; nil if it is not there.
    ///
    /// - Throws: `bad_filter` for any other word.
    func word<Word: RawRepresentable & CaseIterable>(
        _ name: String
    ) throws(APIError) -> Word? where Word.RawValue == String {
        guard let text = values[name] else { return nil }
        guard let word = Word(rawValue: text) else {
            let words = Word.allCases.map(\.rawValue).joined(separator: ", ")
            throw .badRequest("bad_filter", "“\(name)” is one of \(words).")
        }
        return word
    }

    private static func text(_ encoded: Substring) -> String? {
        encoded.replacing("+", with: " ").removingPercentEncoding
    }
}
