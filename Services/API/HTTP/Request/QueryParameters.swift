import Foundation
import Hummingbird
import Models

/// The query of a URL, read as browsers write it: `+` is a space.
///
/// Not the framework's `queryParameters`, which decode names not at all and give a malformed value as it came.
struct QueryParameters: Sendable {
    private var values: [String: String] = [:]

    /// - Throws: `bad_query` if what stands behind its percent signs is not UTF-8, or if a name comes twice, since two
    ///   readers would choose differently.
    init(_ request: Request) throws(APIError) {
        for pair in (request.uri.query ?? "").split(separator: "&") {
            let ends = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = Self.decode(ends[0]), let value = Self.decode(ends.count == 2 ? ends[1] : "") else {
                throw .badRequest("bad_query", "The query is not percent-encoded UTF-8.")
            }
            guard values.updateValue(value, forKey: name) == nil else {
                throw .badRequest("bad_query", "The query has “\(name)” twice.")
            }
        }
    }

    subscript(name: String) -> String? { values[name] }

    /// A parameter with a fixed set of words; nil if it is absent. Throws `bad_filter` for any other word.
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

    /// A parameter that is an id; nil if it is absent. Throws `bad_filter` for anything else.
    func id<Subject>(_ name: String) throws(APIError) -> Identifier<Subject>? {
        guard let text = values[name] else { return nil }
        guard let id = Identifier<Subject>(text) else { throw .badRequest("bad_filter", "“\(name)” is not an id.") }
        return id
    }

    private static func decode(_ encoded: Substring) -> String? {
        encoded.replacing("+", with: " ").removingPercentEncoding
    }
}
