import Models

/// `PROBLEMS.txt`: what is lost or damaged, for people.
///
/// UTF-8 with a byte order mark and CRLF, since Notepad on older Windows shows accents and lines only so.
enum ProblemList {
    /// Writes the list; make no file if there is no problem.
    ///
    /// - Parameters:
    ///   - problems: One paragraph is written for each; they are read once, one after another.
    ///   - language: The export's.
    ///   - write: Takes the text in chunks of about 32 KiB.
    /// - Throws: What `write` throws.
    static func write<Failure>(
        _ problems: some Sequence<FileProblem>,
        in language: Export.Language,
        to write: ([UInt8]) throws(Failure) -> Void
    ) throws(Failure) {
        try withoutActuallyEscaping(write) { write throws(Failure) in
            var text = TextChunks(to: write)
            try text.append("\u{FEFF}\(introduction(in: language))\r\n".utf8)
            for problem in problems {
                try text.append("\r\n\(paragraph(on: problem, in: language))\r\n".utf8)
            }
            try text.flush()
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

    private static func paragraph(on problem: FileProblem, in language: Export.Language) -> String {
        let item = problem.itemCode.map { language.text(en: "Item", es: "Elemento") + ": \(line($0))\r\n" } ?? ""
        let file = language.text(en: "File", es: "Archivo")
        let place = language.text(en: "In this ZIP", es: "En este ZIP")
        let none = language.text(en: "not included", es: "no está incluido")
        return """
            \(item)\(file): \(line(problem.filename))\r
            \(place): \(problem.entry.map { line($0) } ?? none)\r
            \(problem.problem.detail(in: language)) \(advice(on: problem, in: language))
            """
    }

    private static func advice(on problem: FileProblem, in language: Export.Language) -> String {
        guard problem.entry == nil else {
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
