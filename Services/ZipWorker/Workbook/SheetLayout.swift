import Models

/// The name of a sheet and its columns.
struct SheetLayout {
    /// One column.
    struct Column {
        /// What its first cell says.
        let heading: String
        /// In letters of the default font.
        let width: Double
    }

    /// The sheet's; further sheets of the same layout are numbered.
    let name: String
    /// From left to right.
    var columns: [Column]
    /// How many of them stay in view when people scroll to the right.
    let frozenColumns: UInt16

    /// One row an item.
    ///
    /// - Parameters:
    ///   - attributes: The names of the attributes that have a column.
    ///   - leftOut: How many have none.
    ///   - language: Of the headings.
    /// - Returns: The layout.
    static func items(attributes: some Sequence<String>, leftOut: Int, in language: Export.Language) -> SheetLayout {
        let fixed = [
            Column(heading: language.text(en: "Code", es: "Código"), width: 16),
            Column(heading: language.text(en: "Name", es: "Nombre"), width: 32),
            Column(heading: language.text(en: "Kind", es: "Tipo"), width: 18),
        ]
        let count = Column(heading: language.text(en: "Files", es: "Archivos"), width: 10)
        let note = language.text(
            en: "\(leftOut) more attributes do not fit in a sheet",
            es: "\(leftOut) atributos más no caben en una hoja"
        )
        return SheetLayout(
            name: language.text(en: "Items", es: "Elementos"),
            columns: fixed
                + attributes.map { Column(heading: $0, width: Double(min(max($0.count + 4, 12), 40))) }
                + [count] + (leftOut > 0 ? [Column(heading: note, width: 48)] : []),
            frozenColumns: 1
        )
    }

    /// One row a file.
    static func media(in language: Export.Language) -> SheetLayout {
        SheetLayout(
            name: language.text(en: "Media", es: "Archivos"),
            columns: [
                Column(heading: language.text(en: "Item", es: "Elemento"), width: 16),
                Column(heading: language.text(en: "File name", es: "Nombre del archivo"), width: 32),
                Column(heading: language.text(en: "Form", es: "Versión"), width: 13),
                Column(heading: language.text(en: "Kind", es: "Tipo"), width: 12),
                Column(heading: language.text(en: "Content type", es: "Tipo de contenido"), width: 20),
                Column(heading: "Bytes", width: 14),
                Column(heading: "SHA-256", width: 24),
                Column(heading: language.text(en: "Uploaded (UTC)", es: "Subido (UTC)"), width: 20),
                Column(heading: language.text(en: "In this ZIP", es: "En este ZIP"), width: 48),
                Column(heading: language.text(en: "Problem", es: "Problema"), width: 60),
            ],
            frozenColumns: 1
        )
    }
}
