public import Config
public import Database
import Foundation
public import Logging
import Metrics
public import ServiceLifecycle
public import Storage

/// Removes the files no row names: those of deleted assets, and what killed processes have left.
///
/// One process collects at a time. A file that was written or wanted a short while ago is left alone, since its row may
/// be on its way; before one goes, its row is looked for once more.
public struct Collector: Sendable {
    public struct Collected: Sendable {
        /// Files of the volumes.
        public internal(set) var files = 0
        /// Those that were removed, or would be.
        public internal(set) var removed = 0
        /// Their bytes.
        public internal(set) var bytes: Int64 = 0
    }

    /// More files without rows than a fault leaves: that suggests a wrong database rather than old files.
    public struct TooMany: Error, CustomStringConvertible {
        let collected: Collected

        public var description: String {
            "\(collected.removed) of \(collected.files) files have no row, which is more than half: is this the database of these volumes?"
        }
    }

    private static let name = "collector"
    /// Up to this many are removed whatever their share.
    private static let few = 200

    private let repository: IntegrityRepository
    private let storage: LocalStorage

    public init(database: Database, storage: LocalStorage) {
        repository = IntegrityRepository(database)
        self.storage = storage
    }

    /// Reports what a collection would remove, and removes nothing. Files written or wanted less than `grace` ago are
    /// kept.
    public func preview(grace: Duration, report: (FoundFile) -> Void = { _ in }) async throws -> Collected {
        try await eachUnused(since: .before(grace)) { _, _ in
            true
        } report: {
            report($0)
        }
    }

    /// Removes unused files that were last written or wanted at least `grace` ago; nil if another process collects, or
    /// if a collection has ended within `interval`.
    ///
    /// If `isCareful`, nothing is removed if that would be more than half of all files (`TooMany`). After any other
    /// error some may have been removed.
    public func collect(
        grace: Duration,
        unlessWithin interval: Duration = .zero,
        isCareful: Bool,
        report: (FoundFile) -> Void = { _ in }
    ) async throws -> Collected? {
        let latest = Date.before(grace)
        var collected = Collected()
        let hasRun = try await repository.runAlone(Self.name, unlessWithin: interval) { connection in
            try await storage.restoreAside()
            if isCareful { try await requireFew(since: latest, in: connection) }
            collected = try await eachUnused(since: latest, in: connection) { file, volume in
                try await storage.remove(file, untouchedSince: latest) {
                    try await !repository.unused(of: [file], on: volume, in: connection).isEmpty
                }
            } report: {
                report($0)
            }
        }
        return hasRun ? collected : nil
    }

    private func requireFew(since latest: Date, in connection: Connection) async throws {
        let expected = try await eachUnused(since: latest, in: connection) { _, _ in true }
        guard expected.removed > max(Self.few, expected.files / 2) else { return }
        throw TooMany(collected: expected)
    }

    /// Visits and counts the files no row names that were not written or wanted since `latest`. `connection` is one
    /// whose transaction is open; nil for any. `removes` says whether the file is gone; then it is reported.
    private func eachUnused(
        since latest: Date,
        in connection: Connection? = nil,
        removes: (FoundFile, Volume) async throws -> Bool,
        report: (FoundFile) -> Void = { _ in }
    ) async throws -> Collected {
        var collected = Collected()
        for volume in storage.volumes {
            try await storage.eachFile(on: volume) { files in
                collected.files += files.count
                let old = files.filter { $0.modified <= latest }
                for file in try await repository.unused(of: old, on: volume, in: connection) {
                    guard try await removes(file, volume) else { continue }
                    collected.removed += 1
                    let (bytes, overflow) = collected.bytes.addingReportingOverflow(file.bytes)
                    collected.bytes = overflow ? .max : bytes
                    report(file)
                }
            }
        }
        return collected
    }
}

extension Date {
    fileprivate static func before(_ duration: Duration) -> Date {
        Date(timeIntervalSinceNow: -(duration / .seconds(1)))
    }
}

/// Collects every few hours, in whichever process comes first.
public struct CollectorService: Service {
    /// How often a process checks whether a collection is due.
    private static let peekInterval = Duration.seconds(300)

    private let collector: Collector
    private let settings: CollectorSettings
    private let logger: Logger

    public init(_ collector: Collector, settings: CollectorSettings, logger: Logger) {
        self.collector = collector
        self.settings = settings
        self.logger = logger
    }

    /// Collects until the process is told to stop. What fails is logged and tried again.
    public func run() async throws {
        await cancelWhenGracefulShutdown {
            // Not at the start of a process: a crash loop must not walk the disks.
            while (try? await Task.sleep(for: Self.peekInterval)) != nil { await collect() }
        }
    }

    private func collect() async {
        do {
            let collected = try await collector.collect(
                grace: settings.grace,
                unlessWithin: settings.interval,
                isCareful: true
            )
            guard let collected else { return }
            Counter(label: "tolva_collected_files_total").increment(by: collected.removed)
            Counter(label: "tolva_collected_bytes_total").increment(by: collected.bytes)
            guard collected.removed > 0 else { return }
            logger.info(
                "Files without a row were removed",
                metadata: ["files": "\(collected.removed)", "bytes": "\(collected.bytes)"]
            )
        } catch let error as Collector.TooMany {
            logger.error("Nothing was collected", metadata: ["reason": "\(error)", "do": "tolvactl gc"])
        } catch {
            logger.warning("Files without a row could not be removed yet", metadata: ["error": "\(error)"])
        }
    }
}

/// When the collector runs by itself, and what it leaves alone.
public struct CollectorSettings: Sendable {
    /// How long ago a file without a row was last written or wanted before it goes.
    public let grace: Duration
    /// How often all processes together collect.
    public let interval: Duration

    /// Throws for a grace under 15 minutes: the row of a file in use may be that far behind it.
    public init(reader: SettingsReader) throws(SettingsError) {
        grace = try reader.duration("GC_GRACE", default: .seconds(24 * 3600), atLeast: .seconds(900))
        interval = try reader.duration("GC_INTERVAL", default: .seconds(6 * 3600))
    }
}
