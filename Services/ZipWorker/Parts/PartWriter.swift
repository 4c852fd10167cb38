import Blocking
import Database
import Models

/// Writes everything a part holds into its archive: media, workbook, manifest, and the list of problems if there are
/// any. Media goes in page by page, and what the others say of it is kept on the disk meanwhile.
struct PartWriter: Sendable {
    /// What was written. Problems are as many as a row shows; `problemCount` says how many there are.
    typealias Written = (bytes: Int64, problems: [ExportProblem], problemCount: Int)

    /// As many as take a few megabytes.
    private static let recordsInMemory = 2000
    let plan: PartPlan
    let planner: PartPlanner
    /// Absolute path of an empty directory, for the workbook and the records.
    let workspace: String
    let threads: BlockingThreads

    private var language: Export.Language { plan.part.options.language }

    /// Writes an empty archive. `finished` gets the item of each file once, nil for a procedure, on any thread.
    ///
    /// - Throws: `ArchiveError`, `WorkbookError`; `CancellationError` if the task was cancelled before the end was
    ///   near.
    func write(
        to archive: consuming ArchiveWriter,
        finished: @escaping @Sendable (Int?) -> Void
    ) async throws -> Written {
        do {
            let items = plan.items
            let media = try await threads.run { () throws(ArchiveError) in
                try RecordFile<MediaRecord>(in: workspace, keeping: Self.recordsInMemory)
            }
            var problems: [ExportProblem] = []
            var problemCount = 0
            var counts = Array(repeating: 0, count: plan.places.count)
            var left = plan.bytes
            var files = planner.files(of: plan)
            while true {
                // Not cancelled with this task: the archive decides whether its end is near enough to go on.
                let (rest, next) = try await Task { [files] in
                    var rest = files
                    let page = try await rest.next()
                    return (rest, page)
                }.value
                guard let page = next else { break }
                files = rest
                left = max(0, page.reduce(left) { $0 - ($1.source.bytes ?? 0) })
                let entries = try await archive.add(page.map(\.source), before: left) { finished(page[$0].item) }
                let records = zip(page, entries).map { planned, entry in
                    MediaRecord(planned: planned, itemCode: planned.item.map { plan.places[$0].code }, entry: entry)
                }
                for record in records {
                    if let item = record.planned.item { counts[item] += 1 }
                    guard let problem = record.problem else { continue }
                    problemCount += 1
                    guard problems.count < ExportPart.Archive.maximumProblems else { continue }
                    problems.append(
                        ExportProblem(
                            item: record.itemCode,
                            filename: record.planned.filename,
                            detail: problem.detail(in: language)
                        )
                    )
                }
                try await threads.run { () throws(ArchiveError) in try media.append(records) }
            }

            let workbook = ArchiveFile(
                name: EntryNames.workbook,
                modified: plan.newest,
                path: try await makeWorkbook(counts, media)
            )
            var added = try await archive.add([workbook])
            if problemCount > 0 {
                let list = try await archive.add(EntryNames.problems, modified: plan.newest) { text in
                    ProblemList.write(media.records, in: language) { text.append($0) }
                }
                added.append(list)
            }
            _ = try await archive.add(EntryNames.manifest, modified: plan.newest) { [added] text in
                Manifest.write(
                    part: plan.part.number,
                    of: plan.part.parts,
                    items: items.records,
                    media: media.records,
                    added: added,
                    in: language
                ) { text.append($0) }
            }
            try media.check()
            try items.check()
            return (try await archive.finish(), problems, problemCount)
        } catch ArchiveError.cancelled {
            throw CancellationError()
        } catch let error as DatabaseError where error.kind == .cancelled {
            throw CancellationError()
        }
    }

    private func makeWorkbook(
        _ counts: [Int],
        _ media: RecordFile<MediaRecord>
    ) async throws(WorkbookError) -> String {
        let path = "\(workspace)/\(EntryNames.workbook)"
        try await threads.run { () throws(WorkbookError) in
            let workbook = try WorkbookWriter(
                path: path,
                temporaryDirectory: workspace,
                language: language,
                created: plan.newest,
                attributeNames: plan.attributeNames.sorted(),
                hasNotes: plan.part.cutsItems
            )
            for planned in plan.items.records {
                let count = plan.positions[planned.item.id].map { counts[$0] } ?? 0
                try workbook.add(planned.item, mediaFiles: count, note: planned.note(in: language))
            }
            for record in media.records { try workbook.add(record) }
            try workbook.finish()
        }
        return path
    }
}

extension PartPlan.PlannedItem {
    /// Where its other files are; nil if all are in this part.
    fileprivate func note(in language: Export.Language) -> String? {
        switch (continuedFrom, continuesIn) {
        case (nil, nil): nil
        case (let before?, nil): language.text(en: "others in part \(before)", es: "otros en la parte \(before)")
        case (nil, let after?): language.text(en: "others in part \(after)", es: "otros en la parte \(after)")
        case (let before?, let after?):
            language.text(en: "others in parts \(before) and \(after)", es: "otros en las partes \(before) y \(after)")
        }
    }
}
