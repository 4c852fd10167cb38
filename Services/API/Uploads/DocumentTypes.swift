import Config
import Foundation
import Models

/// Which documents are taken, where the operator has listed them. Pictures and videos are not among them.
struct DocumentTypes: Sendable {
    /// The list as it was written, for people.
    let text: String
    private var contentTypes: Set<String> = []
    /// Those that stand for no content type: the name is all there is.
    private var extensions: Set<String> = []

    /// Reads a list of media types and extensions (`pdf, docx, text/csv`). An extension stands for its content type,
    /// whatever a file of that type is called.
    init(_ text: String) throws(SettingsError) {
        self.text = text
        for part in text.lowercased().split(separator: ",", omittingEmptySubsequences: false) {
            let word = part.trimmingCharacters(in: .whitespaces)
            let name = word.first == "." ? word.dropFirst() : word[...]
            guard !name.isEmpty, name.utf8.allSatisfy(Self.characters.contains) else {
                throw SettingsError(
                    variable: "DOCUMENT_TYPES",
                    problem: "has what is neither a media type nor an extension: \(part)",
                    example: "pdf,docx,xlsx,text/csv"
                )
            }
            if name.contains("/") {
                contentTypes.insert(String(name))
            } else if let type = ContentSniffer.documentType(of: String(name)) {
                contentTypes.insert(type)
            } else {
                extensions.insert(String(name))
            }
        }
    }

    private static let characters = Set("abcdefghijklmnopqrstuvwxyz0123456789.+-_/".utf8)

    /// - Throws: `unsupportedType`.
    func require(_ content: Asset.Content, named filename: Filename) throws(ContentRejection) {
        guard content.kind == .document, !contentTypes.contains(content.contentType),
            !extensions.contains(filename.fileExtension)
        else { return }
        throw ContentRejection(.unsupportedType, "Documents of this sort are not taken here. Send one of: \(text).")
    }
}
