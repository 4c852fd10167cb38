public import Logging
public import ServiceLifecycle

/// Looks at the process's memory every few seconds and warns once each time it grows past a threshold.
///
/// The gauges `process_resident_memory_bytes` and `process_resident_memory_peak_bytes` need no sampler: they are read
/// when Prometheus asks.
public struct MemorySampler: Service {
    private let threshold: Int64
    private let interval: Duration
    private let logger: Logger
    private let usage: @Sendable () -> MemoryUsage

    /// Watches this process.
    public init(settings: ServiceSettings, interval: Duration = .seconds(5), logger: Logger) {
        self.init(
            threshold: settings.memoryWarningBytes,
            interval: interval,
            logger: logger,
            usage: MemoryUsage.current
        )
    }

    init(threshold: Int64, interval: Duration, logger: Logger, usage: @escaping @Sendable () -> MemoryUsage) {
        self.threshold = threshold
        self.interval = interval
        self.logger = logger
        self.usage = usage
    }

    /// Watches until graceful shutdown.
    public func run() async throws {
        let watch = MemoryWatch(threshold: threshold)
        await repeatUntilShutdown(every: interval) {
            let usage = usage()
            guard watch.hasJustCrossed(usage.resident) else { return }
            logger.warning(
                "memory is above the threshold",
                metadata: [
                    "resident_bytes": "\(usage.resident)", "peak_bytes": "\(usage.peak)",
                    "threshold_bytes": "\(threshold)",
                ]
            )
        }
    }
}
