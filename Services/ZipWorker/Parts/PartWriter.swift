import Blocking
import Database
import Foundation
import Models

/// Writes everything a part holds into its archive: media, workbook, manifest, and the list of problems if there are
/// any.
struct PartWriter: Sendable {
    let plan: PartPlan
    /// Absolute path of an empty directory, for the workbook.
    let workspace: String
    let threads: BlockingThreads

    private var language: Export.Language { plan.part.options.language }

    /// Writes the archive.
    ///
    /// - Parameters:
    ///   - archive: An empty one.
    ///   - finished: Gets the index of each file of the plan once, on any thread.
    /// - Returns: Size of the archive, and the files that are not in it as they were received.
    /// - Throws: `ArchiveError`, `WorkbookError`; `CancellationError` if the task was cancelled before the end was near.
    func write(
        to archive: consuming ArchiveWriter,
        finished: @escaping @Sendable (Int) -> Void
    ) async throws -> (bytes: Int64, problems: [FileProblem]) {
        do {
            let media = try await archive.add(plan.files.map(\.file), finished: finished)
            let problems = zip(plan.files, media).compactMap { problem(of: $0, $1) }

            let workbook = ArchiveFile(
                name: EntryNames.workbook,
                modified: plan.newest,
                source: ArchiveSource(path: try await makeWorkbook(media)),
                mayDeflate: false
            )
            var added = try await archive.add([workbook])
            if !problems.isEmpty {
                let list = try await archive.add(EntryNames.problems, modified: plan.newest) { [language] sink in
                    ProblemList.write(problems, in: language) { sink.append($0) }
                }
                added.append(list)
            }
            _ = try await archive.add(EntryNames.manifest, modified: plan.newest) { [self, added] sink in
                Manifest.write(
                    part: plan.part.number,
                    of: plan.part.parts,
                    items: plan.items.lazy.map {
                        ManifestItem(code: $0.item.code, name: $0.item.name, folder: $0.folder.name)
                    },
                    entries: manifestEntries(media, added),
                    problems: problems,
                    in: language
                ) { sink.append($0) }
            }
            return (try await archive.finish(), problems)
        } catch ArchiveError.cancelled {
            throw CancellationError()
        }
    }

    private func makeWorkbook(_ media: [ArchivedEntry]) async throws(WorkbookError) -> String {
        let path = "\(workspace)/\(EntryNames.workbook)"
        try await threads.run { [self] () throws(WorkbookError) in
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
            for (file, entry) in zip(plan.files, media) { try workbook.add(row(of: file, entry)) }
            try workbook.finish()
        }
        return path
    }

    private func code(of file: PartPlan.PlannedFile) -> String? { file.item.map { plan.items[$0].item.code } }

    private func row(of file: PartPlan.PlannedFile, _ entry: ArchivedEntry) -> MediaRow {
        MediaRow(
            itemCode: code(of: file),
            filename: file.filename,
            form: file.form,
            kind: file.kind,
            contentType: file.contentType,
            bytes: entry.content?.bytes ?? file.file.source.bytes ?? 0,
            sha256: entry.content?.sha256 ?? file.file.source.sha256,
            uploadedAt: file.uploadedAt,
            entry: entry.isIncluded ? entry.name : nil,
            problem: entry.problem.map { EntryProblem($0) }
        )
    }

    private func problem(of file: PartPlan.PlannedFile, _ entry: ArchivedEntry) -> FileProblem? {
        entry.problem.map { problem in
            FileProblem(
                entry: entry.isIncluded ? entry.name : nil,
                filename: file.filename,
                itemCode: code(of: file),
                problem: EntryProblem(problem)
            )
        }
    }

    private func manifestEntries(
        _ media: [ArchivedEntry],
        _ added: [ArchivedEntry]
    ) -> some Sequence<ManifestEntry> {
        let files = zip(plan.files, media).lazy.compactMap { file, entry in
            entry.content.map { content in
                ManifestEntry(
                    name: entry.name,
                    bytes: content.bytes,
                    sha256: content.sha256,
                    asset: file.asset,
                    itemCode: code(of: file),
                    kind: file.kind,
                    form: file.form,
                    uploadedAt: file.uploadedAt
                )
            }
        }
        let own = added.lazy.compactMap { entry in
            entry.content.map { ManifestEntry(name: entry.name, bytes: $0.bytes, sha256: $0.sha256) }
        }
        return [AnySequence(files), AnySequence(own)].joined()
    }
}

extension EntryProblem {
    /// What the archive found, as the export tells it.
    init(_ problem: ArchiveProblem) {
        switch problem {
        case .missing: self = .missing
        case .unreadable: self = .unreadable
        case .sizeDiffers(let expected, let found): self = .sizeDiffers(expected: expected, found: found)
        case .checksumDiffers: self = .checksumDiffers
        }
    }
}
