import Foundation

/// `Upload-Metadata`: keys, each with a value in base64.
struct TusMetadata {
    private var values: [Substring: Data] = [:]

    /// - Throws: `bad_metadata` for what is not that, or has a key twice.
    init(_ header: String) throws(APIError) {
        guard !header.isEmpty else { return }
        for pair in header.split(separator: ",", omittingEmptySubsequences: false) {
            let ends = pair.split(separator: " ")
            guard (1...2).contains(ends.count), let key = ends.first,
                let value = ends.count == 2 ? Data(base64Encoded: String(ends[1])) : Data(),
                values.updateValue(value, forKey: key) == nil
            else {
                throw .badRequest(
                    "bad_metadata",
                    "Upload-Metadata is a list of keys, each once and with its value in base64: “filename YS5qcGc=”."
                )
            }
        }
    }

    subscript(_ key: Substring) -> Data? { values[key] }

    /// A value that is text.
    func text(_ key: Substring) throws(APIError) -> String? {
        guard let value = values[key] else { return nil }
        guard let text = String(validating: value, as: UTF8.self) else {
            throw .badRequest("bad_metadata", "“\(key)” in Upload-Metadata is not UTF-8.")
        }
        return text
    }
}
