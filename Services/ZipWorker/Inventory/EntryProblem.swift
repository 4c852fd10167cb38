import Models

/// What is wrong with one file of an export.
enum EntryProblem: Hashable, Sendable {
    /// It is not where it was stored.
    case missing
    /// The disk does not give it out.
    case unreadable
    /// It is longer or shorter than it was when it came, in bytes.
    case sizeDiffers(expected: Int64, found: Int64)
    /// Its bytes are others than those that came.
    case checksumDiffers

    /// For programs.
    var code: String {
        switch self {
        case .missing: "missing"
        case .unreadable: "unreadable"
        case .sizeDiffers: "size_differs"
        case .checksumDiffers: "checksum_differs"
        }
    }

    /// What happened, in one sentence.
    func detail(in language: Export.Language) -> String {
        switch self {
        case .missing:
            language.text(
                en: "The file is no longer on the server.",
                es: "El archivo ya no está en el servidor."
            )
        case .unreadable:
            language.text(
                en: "The server's disk could not read the file.",
                es: "El disco del servidor no pudo leer el archivo."
            )
        case .sizeDiffers(let expected, let found):
            language.text(
                en: "The file has \(found) bytes; it had \(expected) when it was uploaded.",
                es: "El archivo tiene \(found) bytes; tenía \(expected) cuando se subió."
            )
        case .checksumDiffers:
            language.text(
                en: "The file is not the same as when it was uploaded: its checksum differs.",
                es: "El archivo no es igual a cuando se subió: su suma de verificación es distinta."
            )
        }
    }
}

/// One file of an export that is lost or damaged.
struct FileProblem: Hashable, Sendable {
    /// The entry that holds what is left of it; nil if there is none.
    let entry: String?
    /// As uploaded.
    let filename: String
    /// The code of its item; nil for a document of the company.
    let itemCode: String?
    /// What is wrong.
    let problem: EntryProblem
}
