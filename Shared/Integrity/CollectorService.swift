public import Logging
import Metrics
public import ServiceLifecycle

/// Collects every few hours, in whichever process comes first.
public struct CollectorService: Service {
    /// How often a process looks whether it is time.
    private static let glance = Duration.seconds(300)

    private let collector: Collector
    private let settings: CollectorSettings
    private let logger: Logger

    /// Runs a collector.
    public init(_ collector: Collector, settings: CollectorSettings, logger: Logger) {
        self.collector = collector
        self.settings = settings
        self.logger = logger
    }

    /// Collects until the process is told to stop. What fails is logged and tried again.
    public func run() async throws {
        await cancelWhenGracefulShutdown {
            // Not as a process starts: a crash loop is no time to walk the disks.
            while (try? await Task.sleep(for: Self.glance)) != nil { await collect() }
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
