import Blocking
import Database
import FaultPoints
import Foundation
import Jobs
import Logging
import Messaging
import Metrics
import Models
import Repositories
import Storage
import Synchronization

/// Builds one part of an export: one attempt of a `zip.part` job.
final class PartBuilder: JobHandler {
    private let lease: Lease
    private let parts: ExportPartRepository
    private let storage: LocalStorage
    private let events: EventPublisher
    private let settings: ZipSettings
    private let threads: BlockingThreads
    /// The part whose archive was placed, until its row says whether that stays.
    private let placed = Mutex<(export: ExportID, number: Int)?>(nil)

    /// Prepares an attempt. Those of one process share its threads, at least `settings.copyThreads`.
    init(
        lease: Lease,
        parts: ExportPartRepository,
        storage: LocalStorage,
        events: EventPublisher,
        settings: ZipSettings,
        threads: BlockingThreads
    ) {
        self.lease = lease
        self.parts = parts
        self.storage = storage
        self.events = events
        self.settings = settings
        self.threads = threads
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
            throw JobFailure(reason: "The building was interrupted.", isPermanent: false)
        } catch {
            lease.logger.error("A part could not be built just now", metadata: ["error": "\(error)"])
            throw JobFailure(reason: "The server could not build this part.", isPermanent: false)
        }
    }

    /// Deletes the archive if it was placed.
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
        let (draft, written) = try await write(part)
        do {
            placed.withLock { $0 = (part.export, part.number) }
            FaultPoint.partWritten.reach()
            let path = try await storage.placePart(draft, of: part.export, number: part.number, fence: lease.job.fence)
            FaultPoint.partPlaced.reach()
            return ExportPart.Archive(
                volume: draft.volume.name,
                path: path,
                bytes: written.bytes,
                seconds: (ContinuousClock.now - begun) / .seconds(1),
                problems: written.problems,
                problemCount: written.problemCount
            )
        } catch {
            await draft.discard()
            throw error
        }
    }

    /// Writes the archive of a part, with a directory of this attempt's own for records and workbook.
    private func write(_ part: ExportPartSource) async throws -> (draft: DraftFile, written: PartWriter.Written) {
        let volume = try await storage.volume(for: 0)
        let workspace = try await storage.workspace(for: lease.job.id, fence: lease.job.fence, on: volume)
        do {
            let planner = PartPlanner(parts: parts, storage: storage, threads: threads)
            let plan = try await planner.plan(part, in: workspace.path)
            let draft = try await storage.draft(of: plan.bytesByVolume, overhead: plan.overhead)
            do {
                let written = try await write(plan, of: planner, to: draft, in: workspace)
                try await workspace.remove()
                return (draft, written)
            } catch {
                await draft.discard()
                throw error
            }
        } catch {
            try await workspace.remove()
            throw error
        }
    }

    /// Reports how far the archive is while it is written.
    private func write(
        _ plan: PartPlan,
        of planner: PartPlanner,
        to draft: DraftFile,
        in workspace: Workspace
    ) async throws -> PartWriter.Written {
        let progress = PartProgress(of: plan)
        // Cancelled and awaited when this returns.
        async let _ = progress.report(lease, (plan.part.export, plan.part.company), events)

        let settings = ArchiveSettings(
            copyThreads: settings.copyThreads,
            sharesBlocks: draft.volume.sharesBlocks,
            verifyShare: Double(settings.verifyPercent) / 100
        )
        let archive = ArchiveWriter(output: draft.descriptor, settings: settings, threads: threads)
        let writer = PartWriter(plan: plan, planner: planner, workspace: workspace.path, threads: threads)
        return try await writer.write(to: archive) {
            FaultPoint.partBegun.reach()
            progress.finished(fileOf: $0)
        }
    }

    private static func isFull(_ error: any Error) -> Bool {
        switch error {
        case let error as StorageError: error.kind == .full
        case ArchiveError.full, WorkbookError.full: true
        default: false
        }
    }
}

/// How many of a part's items are in the archive, told to the row and to whoever listens, at most four times a second.
private final class PartProgress: Sendable {
    private struct State {
        var filesLeft: [Int]
        var done: Int
    }

    private static let interval = Duration.milliseconds(250)

    private let items: Int
    private let state: Mutex<State>

    init(of plan: PartPlan) {
        items = plan.places.count
        let filesLeft = plan.places.map(\.files)
        state = Mutex(State(filesLeft: filesLeft, done: filesLeft.count { $0 == 0 }))
    }

    /// Counts one file of an item; nil is a procedure.
    func finished(fileOf item: Int?) {
        guard let item else { return }
        state.withLock { state in
            state.filesLeft[item] -= 1
            if state.filesLeft[item] == 0 { state.done += 1 }
        }
    }

    /// Tells how far it is whenever that has changed, until it is cancelled.
    func report(_ lease: Lease, _ part: (export: ExportID, company: CompanyID), _ events: EventPublisher) async {
        var told: Int?
        while !Task.isCancelled {
            let done = state.withLock { $0.done }
            if done != told {
                if told != nil { await lease.report(progress: Double(done) / Double(max(1, items))) }
                events.publish(.exportUpdated(part.export, of: part.company))
                told = done
            }
            do { try await Task.sleep(for: Self.interval) } catch { return }
        }
    }
}
