import Models

/// `manifest.json`: what a part holds, for programs.
///
/// ```json
/// {"format":1,"part":1,"parts":2,
/// "items":[{"code","name","folder"}…],
/// "entries":[{"name","bytes","sha256","asset_id"?,"item"?,"kind"?,"form"?,"uploaded_at"?}…],
/// "problems":[{"name"?,"filename","item"?,"problem","detail"}…]}
/// ```
/// A member that has no value is left out. Later versions of format 1 may add members; none goes or changes.
enum Manifest {
    /// Writes a part's manifest. The same part gives the same bytes.
    ///
    /// - Parameters:
    ///   - part: Which of the export's parts this is, from 1.
    ///   - parts: How many there are.
    ///   - items: Those of this part. Each sequence is read once, after the one before it, and nothing of it is kept.
    ///   - entries: The files of this part.
    ///   - problems: Its files that are lost or damaged.
    ///   - language: For the details of problems, which are for people.
    ///   - write: Takes the text in chunks of about 32 KiB.
    /// - Throws: What `write` throws.
    static func write<Failure>(
        part: Int,
        of parts: Int,
        items: some Sequence<ManifestItem>,
        entries: some Sequence<ManifestEntry>,
        problems: some Sequence<FileProblem>,
        in language: Export.Language,
        to write: ([UInt8]) throws(Failure) -> Void
    ) throws(Failure) {
        try withoutActuallyEscaping(write) { write throws(Failure) in
            var text = TextChunks(to: write)
            try text.append("{\"format\":1,\"part\":\(part),\"parts\":\(parts)".utf8)
            try append("items", items.lazy.map(\.json), to: &text)
            try append("entries", entries.lazy.map(\.json), to: &text)
            try append("problems", problems.lazy.map { $0.json(in: language) }, to: &text)
            try text.append("}\n".utf8)
            try text.flush()
        }
    }

    private static func append<Failure>(
        _ name: String,
        _ records: some Sequence<JSONObject>,
        to text: inout TextChunks<Failure>
    ) throws(Failure) {
        try text.append(",\n\"\(name)\":[".utf8)
        var separator = "\n"
        for record in records {
            try text.append(separator.utf8)
            try text.append(record.bytes)
            separator = ",\n"
        }
        try text.append("]".utf8)
    }
}
