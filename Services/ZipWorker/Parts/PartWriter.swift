import Blocking
import Foundation
import Models

/// Writes everything a part holds into its archive: media, workbook, manifest, and the list of problems if there are
/// any.
struct PartWriter: Sendable {
    /// What was written. Problems are as many as a row shows; `problemCount` says how many there are.
    typealias Written = (bytes: Int64, problems: [ExportProblem], problemCount: Int)

    let plan: PartPlan
    /// Absolute path of an empty directory, for the workbook.
    let workspace: String
    let threads: BlockingThreads

    private var language: Export.Language { plan.part.options.language }

    /// Writes an empty archive. `finished` gets the index of each file of the plan once, on any thread.
    ///
    /// - Throws: `ArchiveError`, `WorkbookError`; `CancellationError` if the task was cancelled before the end was
    ///   near.
    func write(
        to archive: consuming ArchiveWriter,
        finished: @escaping @Sendable (Int) -> Void
    ) async throws -> Written {
        do {
            let media = try await archive.add(plan.files.map(\.source), finished: finished)
            let problemCount = media.count { $0.problem != nil }

            let workbook = ArchiveFile(
                name: EntryNames.workbook,
                modified: plan.newest,
                path: try await makeWorkbook(media)
            )
            var added = try await archive.add([workbook])
            if problemCount > 0 {
                let list = try await archive.add(EntryNames.problems, modified: plan.newest) { text in
                    ProblemList.write(records(of: media), in: language) { text.append($0) }
                }
                added.append(list)
            }
            _ = try await archive.add(EntryNames.manifest, modified: plan.newest) { [added] text in
                Manifest.write(
                    part: plan.part.number,
                    of: plan.part.parts,
                    items: plan.items,
                    media: records(of: media),
                    added: added,
                    in: language
                ) { text.append($0) }
            }
            return (try await archive.finish(), problems(of: media), problemCount)
        } catch ArchiveError.cancelled {
            throw CancellationError()
        }
    }

    private func makeWorkbook(_ media: [ArchivedEntry]) async throws(WorkbookError) -> String {
        let path = "\(workspace)/\(EntryNames.workbook)"
        try await threads.run { () throws(WorkbookError) in
            let workbook = try WorkbookWriter(
                path: path,
                temporaryDirectory: workspace,
                language: language,
                created: plan.newest,
                attributeNames: WorkbookWriter.attributeNames(of: plan.items.lazy.map(\.item))
            )
            var counts: [Int: Int] = [:]
            for file in plan.files { if let item = file.item { counts[item, default: 0] += 1 } }
            for (position, planned) in plan.items.enumerated() {
                try workbook.add(planned.item, mediaFiles: counts[position] ?? 0)
            }
            for record in records(of: media) { try workbook.add(record) }
            try workbook.finish()
        }
        return path
    }

    /// Made as they are read, since there may be 100 000.
    private func records(of media: [ArchivedEntry]) -> some Collection<MediaRecord> {
        media.indices.lazy.map { index in
            let planned = plan.files[index]
            let itemCode = planned.item.map { plan.items[$0].item.code }
            return MediaRecord(planned: planned, itemCode: itemCode, entry: media[index])
        }
    }

    private func problems(of media: [ArchivedEntry]) -> [ExportProblem] {
        let problems = records(of: media).lazy.compactMap { record in
            record.problem.map {
                ExportProblem(
                    item: record.itemCode,
                    filename: record.planned.filename,
                    detail: $0.detail(in: language)
                )
            }
        }
        return Array(problems.prefix(ExportPart.Archive.maximumProblems))
    }
}
