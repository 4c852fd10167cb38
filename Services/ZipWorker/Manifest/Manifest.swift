import Foundation
import Models

/// One media file of a part: what was planned and what was written of it, as manifest, workbook and `PROBLEMS.txt`
/// show it.
struct MediaRecord: Codable, Sendable {
    let planned: PartPlan.PlannedFile
    /// The code of its item; nil for a document of the company.
    let itemCode: String?
    let entry: ArchivedEntry

    var problem: FileProblem? { entry.problem }
    /// The whole name of its entry; nil if it is not in the ZIP.
    var entryName: String? { entry.isIncluded ? entry.name : nil }
    /// As it lies in the ZIP; as its row says if it is not there.
    var bytes: Int64 { entry.content?.bytes ?? planned.source.bytes ?? 0 }
    /// As it lies in the ZIP; as its row says if it is not there.
    var sha256: SHA256Digest? { entry.content?.sha256 ?? planned.source.sha256 }
}

/// `manifest.json`: what a part holds, for programs.
///
/// ```json
/// {"format":1,"part":1,"parts":2,
/// "items":[{"code","name","folder","continued_from"?,"continues_in"?}…],
/// "entries":[{"name","bytes","sha256","asset_id"?,"item"?,"kind"?,"form"?,"uploaded_at"?}…],
/// "problems":[{"name"?,"filename","item"?,"problem","detail"}…]}
/// ```
/// A member that has no value is left out. Later versions of format 1 may add members; none goes or changes.
enum Manifest {
    /// Writes a part's manifest. The same part gives the same bytes.
    ///
    /// Parts count from 1. Nothing is kept of `items`, read once, and `media`, read twice; `added` is what the worker has
    /// added itself. The language is that of the problems' details. `write` takes the text in small pieces.
    static func write<Failure>(
        part: Int,
        of parts: Int,
        items: some Sequence<PartPlan.PlannedItem>,
        media: some Sequence<MediaRecord>,
        added: [ArchivedEntry],
        in language: Export.Language,
        to write: ([UInt8]) throws(Failure) -> Void
    ) throws(Failure) {
        try write(Array("{\"format\":1,\"part\":\(part),\"parts\":\(parts)".utf8))
        try writeList("items", of: items.lazy.map(json), to: write)
        let files = media.lazy.compactMap(json(entry:))
        let own = added.lazy.compactMap(json(entry:))
        try writeList("entries", of: [AnySequence(files), AnySequence(own)].joined(), to: write)
        try writeList("problems", of: media.lazy.compactMap { json(problem: $0, in: language) }, to: write)
        try write(Array("}\n".utf8))
    }

    /// A member that holds a list of objects, one a line.
    private static func writeList<Failure>(
        _ name: String,
        of objects: some Sequence<JSONObject>,
        to write: ([UInt8]) throws(Failure) -> Void
    ) throws(Failure) {
        try write(Array(",\n\"\(name)\":[".utf8))
        var separator = Array("\n".utf8)
        for object in objects {
            try write(separator + object.bytes)
            separator = Array(",\n".utf8)
        }
        try write(Array("]".utf8))
    }

    private static func json(_ item: PartPlan.PlannedItem) -> JSONObject {
        var json = JSONObject()
        json.add("code", item.item.code)
        json.add("name", item.item.name)
        json.add("folder", item.folder.name)
        if let part = item.continuedFrom { json.add("continued_from", Int64(part)) }
        if let part = item.continuesIn { json.add("continues_in", Int64(part)) }
        return json
    }

    private static func json(entry: ArchivedEntry) -> JSONObject? {
        guard let content = entry.content else { return nil }
        var json = JSONObject()
        json.add("name", entry.name)
        json.add("bytes", content.bytes)
        json.add("sha256", content.sha256.description)
        return json
    }

    private static func json(entry record: MediaRecord) -> JSONObject? {
        guard var json = json(entry: record.entry) else { return nil }
        json.add("asset_id", record.planned.asset.description)
        json.add("item", record.itemCode)
        json.add("kind", record.planned.kind.rawValue)
        json.add("form", record.planned.form)
        json.add("uploaded_at", record.planned.source.modified)
        return json
    }

    private static func json(problem record: MediaRecord, in language: Export.Language) -> JSONObject? {
        guard let problem = record.problem else { return nil }
        var json = JSONObject()
        json.add("name", record.entryName)
        json.add("filename", record.planned.filename)
        json.add("item", record.itemCode)
        json.add("problem", problem.code)
        json.add("detail", problem.detail(in: language))
        return json
    }
}

/// One JSON object on one line, its members in the order they are added. It cannot fail, unlike a general encoder.
private struct JSONObject {
    private var members: [UInt8] = []

    var bytes: [UInt8] { [UInt8(ascii: "{")] + members + [UInt8(ascii: "}")] }

    /// A text; nothing if there is none.
    mutating func add(_ name: String, _ value: String?) {
        guard let value else { return }
        addName(name)
        JSONEscaping.append(quoting: value, to: &members)
    }

    mutating func add(_ name: String, _ value: Int64) {
        addName(name)
        members.append(contentsOf: "\(value)".utf8)
    }

    /// A time as the API writes it: RFC 3339 in UTC with milliseconds.
    mutating func add(_ name: String, _ value: Date) {
        add(name, value.formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true)))
    }

    private mutating func addName(_ name: String) {
        if !members.isEmpty { members.append(UInt8(ascii: ",")) }
        JSONEscaping.append(quoting: name, to: &members)
        members.append(UInt8(ascii: ":"))
    }
}

/// What is wrong with one file of an export.
enum FileProblem: Hashable, Codable, Sendable {
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
