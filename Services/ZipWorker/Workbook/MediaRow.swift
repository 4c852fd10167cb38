import Foundation
import Models

/// One file of an export, as a row of its workbook.
struct MediaRow: Hashable, Sendable {
    /// The code of its item; nil for a document of the company.
    let itemCode: String?
    /// As uploaded.
    let filename: String
    /// `original`, or the name of a rendition.
    let form: String
    /// Of the asset.
    let kind: Asset.Kind
    /// Of the file.
    let contentType: String
    /// Of the file.
    let bytes: Int64
    /// Of the file; nil if it is not known.
    let sha256: SHA256Digest?
    /// When the asset was uploaded.
    let uploadedAt: Date
    /// The whole name of its entry; nil if it is not in the ZIP.
    let entry: String?
    /// What is wrong with it.
    let problem: EntryProblem?

    /// Its cells, under the columns of `SheetLayout.media`.
    func cells(in language: Export.Language) -> [Cell] {
        [
            itemCode.map { .text($0) } ?? .empty,
            .text(filename),
            .text(formName(in: language)),
            .text(kindName(in: language)),
            .text(contentType),
            .count(bytes),
            sha256.map { .text($0.description) } ?? .empty,
            .time(uploadedAt),
            entry.map { .link($0) } ?? .empty,
            problem.map { .warning($0.detail(in: language)) } ?? .empty,
        ]
    }

    private func formName(in language: Export.Language) -> String {
        form == "compressed" ? language.text(en: "compressed", es: "comprimido") : form
    }

    private func kindName(in language: Export.Language) -> String {
        switch kind {
        case .image: language.text(en: "image", es: "imagen")
        case .video: "video"
        case .document: language.text(en: "document", es: "documento")
        }
    }
}
