import Models

/// What is wrong with one file of an export.
enum FileProblem: Hashable, Sendable {
    /// There is no such file: no entry.
    case missing
    /// It cannot be opened or read to its end, or is no regular file: no entry.
    case unreadable
    /// It has another size than its row says, in bytes. The entry holds what is there.
    case sizeDiffers(expected: Int64, found: Int64)
    /// Its size is right and its bytes are not. The entry holds what is there.
    case checksumDiffers

    /// As `manifest.json` says it.
    var code: String {
        switch self {
        case .missing: "missing"
        case .unreadable: "unreadable"
        case .sizeDiffers: "size_differs"
        case .checksumDiffers: "checksum_differs"
        }
    }

    /// What happened, in one sentence for people.
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

/// `PROBLEMS.txt`: what is lost or damaged, for people.
///
/// UTF-8 with a byte order mark and CRLF, since Notepad on older Windows shows accents and lines only so.
enum ProblemList {
    /// Writes a paragraph for each of the files that has a problem. `write` takes the text in small pieces.
    static func write<Failure>(
        _ media: some Sequence<MediaRecord>,
        in language: Export.Language,
        to write: (String) throws(Failure) -> Void
    ) throws(Failure) {
        try write("\u{FEFF}\(introduction(in: language))\r\n")
        for record in media {
            guard let problem = record.problem else { continue }
            try write("\r\n\(paragraph(on: record, problem, in: language))\r\n")
        }
    }

    private static func introduction(in language: Export.Language) -> String {
        language.text(
            en: """
                The files below are lost or damaged. All other files of this ZIP are as they were uploaded.\r
                Tell the operator of the server, and ask whoever has the original to upload it again.
                """,
            es: """
                Los archivos de esta lista se perdieron o están dañados. Todos los demás están como se subieron.\r
                Avise al operador del servidor y pida a quien tenga el original que lo suba de nuevo.
                """
        )
    }

    private static func paragraph(
        on record: MediaRecord,
        _ problem: FileProblem,
        in language: Export.Language
    ) -> String {
        let item = record.itemCode.map { language.text(en: "Item", es: "Elemento") + ": \(line($0))\r\n" } ?? ""
        let file = language.text(en: "File", es: "Archivo")
        let place = language.text(en: "In this ZIP", es: "En este ZIP")
        let none = language.text(en: "not included", es: "no está incluido")
        return """
            \(item)\(file): \(line(record.planned.filename))\r
            \(place): \(record.entryName.map { line($0) } ?? none)\r
            \(problem.detail(in: language)) \(advice(isIncluded: record.entry.isIncluded, in: language))
            """
    }

    private static func advice(isIncluded: Bool, in language: Export.Language) -> String {
        guard !isIncluded else {
            return language.text(
                en: "What the server has is in this ZIP, but it may not open.",
                es: "Lo que tiene el servidor está en este ZIP, pero puede que no se abra."
            )
        }
        return language.text(
            en: "If it is found, make the export again.",
            es: "Si se recupera, haga la exportación de nuevo."
        )
    }

    /// No name may make a line that looks like one of ours.
    private static func line(_ text: String) -> String {
        text.split(whereSeparator: \.isNewline).joined(separator: " ")
    }
}
