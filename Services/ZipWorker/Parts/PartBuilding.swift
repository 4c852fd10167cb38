import Blocking
import Database
import FaultPoints
import Jobs
import Logging
import Messaging
import Metrics
import Models
import Repositories
import Storage
import Synchronization

/// Builds one part of an export: one attempt of a `zip.part` job.
final class PartBuilding: JobHandler {
    /// What all attempts of a process share.
    struct Resources: Sendable {
        let parts: ExportPartRepository
        let storage: LocalStorage
        let events: EventPublisher
        let settings: ArchiveSettings
        let threads: BlockingThreads

        init(parts: ExportPartRepository, storage: LocalStorage, events: EventPublisher, settings: ZipSettings) {
            self.parts = parts
            self.storage = storage
            self.events = events
            self.settings = ArchiveSettings(
                copyThreads: settings.copyThreads,
                verifyShare: Double(settings.verifyPercent) / 100
            )
            threads = BlockingThreads(name: "archives", count: settings.slots * settings.copyThreads)
        }
    }

    private let lease: Lease
    private let parts: ExportPartRepository
    private let storage: LocalStorage
    private let events: EventPublisher
    private let settings: ArchiveSettings
    private let threads: BlockingThreads
    /// The part whose archive was placed, until its row says whether that stays.
    private let placed = Mutex<(export: ExportID, number: Int)?>(nil)

    init(lease: Lease, resources: Resources) {
        self.lease = lease
        parts = resources.parts
        storage = resources.storage
        events = resources.events
        settings = resources.settings
        threads = resources.threads
    }

    /// Builds the job's part and puts it in its place.
    ///
    /// - Returns: The statement that records it; none for an export that was deleted meanwhile.
    func work() async throws(JobFailure) -> [any AnyStatement] {
        do {
            guard let part = try await parts.source(ExportPartID(rawValue: lease.job.subject)) else { return [] }
            let archive = try await build(part)
            Counter(label: "tolva_export_bytes_total").increment(by: archive.bytes)
            Counter(label: "tolva_export_problems_total").increment(by: archive.problemCount)
            return [ExportPartRepository.built(archive, of: part.id)]
        } catch  where Self.isFull(error) {
            throw .postponed("The server has no room for this part; it tries again every minute.")
        } catch is CancellationError {
            throw JobFailure(reason: "The building was interrupted; it is tried again.", isPermanent: false)
        } catch {
            lease.logger.error("A part could not be built just now", metadata: ["error": "\(error)"])
            throw JobFailure(reason: "The server could not build this part just now.", isPermanent: false)
        }
    }

    /// Deletes what an attempt has placed.
    func discard() async {
        guard let placed = placed.withLock({ $0 }) else { return }
        do {
            try await storage.removePart(of: placed.export, number: placed.number, fence: lease.job.fence)
        } catch {
            lease.logger.error("What an attempt made could not be deleted", metadata: ["error": "\(error)"])
        }
    }

    /// Lets listeners know once the row says how the attempt ended.
    func ended() async {
        do {
            guard let part = try await parts.source(ExportPartID(rawValue: lease.job.subject)) else { return }
            events.publish(.exportUpdated(part.export, of: part.company))
        } catch {
            lease.logger.debug("Nobody was told that a part has ended", metadata: ["error": "\(error)"])
        }
    }

    private func build(_ part: ExportPartSource) async throws -> ExportPart.Archive {
        let begun = ContinuousClock.now
        let plan = try await PartPlanner(parts: parts, storage: storage, threads: threads).plan(part)
        let draft = try await storage.draft(of: plan.bytesByVolume, overhead: plan.overhead)
        do {
            let progress = PartProgress(of: plan)
            let written = try await withThrowingTaskGroup { group in
                group.addTask { [lease, events] in
                    await progress.report(lease, (part.export, part.company), events)
                    return PartWriter.Written?.none
                }
                group.addTask { [self] in try await write(plan, to: draft, progress, lease.job) }
                var written: PartWriter.Written?
                while written == nil, let next = try await group.next() { written = next }
                group.cancelAll()
                guard let written else { throw CancellationError() }
                return written
            }
            placed.withLock { $0 = (part.export, part.number) }
            FaultPoint.partWritten.reach()
            let path = try await storage.placePart(draft, of: part.export, number: part.number, fence: lease.job.fence)
            FaultPoint.partPlaced.reach()
            let seconds = (ContinuousClock.now - begun) / .seconds(1)
            return archive(on: draft.volume, path, written, seconds: seconds)
        } catch {
            await draft.discard()
            throw error
        }
    }

    private static func isFull(_ error: any Error) -> Bool {
        switch error {
        case let error as StorageError: error.kind == .full
        case ArchiveError.full, WorkbookError.full: true
        default: false
        }
    }

    private func archive(
        on volume: Volume,
        _ path: String,
        _ written: PartWriter.Written,
        seconds: Double
    ) -> ExportPart.Archive {
        ExportPart.Archive(
            volume: volume.name,
            path: path,
            bytes: written.bytes,
            seconds: seconds,
            problems: written.problems,
            problemCount: written.problemCount
        )
    }

    /// Writes the archive, with a directory of this attempt's own for the workbook.
    private func write(
        _ plan: PartPlan,
        to draft: DraftFile,
        _ progress: PartProgress,
        _ job: ClaimedJob
    ) async throws -> PartWriter.Written {
        let workspace = try await storage.workspace(for: job.id, fence: job.fence, on: draft.volume)
        let outcome: Result<PartWriter.Written, any Error>
        do {
            var settings = settings
            settings.sharesBlocks = draft.volume.sharesBlocks
            let archive = ArchiveWriter(output: draft.descriptor, settings: settings, threads: threads)
            let writer = PartWriter(plan: plan, workspace: workspace.path, threads: threads)
            outcome = .success(
                try await writer.write(to: archive) {
                    FaultPoint.partBegun.reach()
                    progress.finished(file: $0)
                }
            )
        } catch {
            outcome = .failure(error)
        }
        try await workspace.remove()
        return try outcome.get()
    }
}
