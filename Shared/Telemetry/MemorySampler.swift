public import Logging
public import ServiceLifecycle
import Synchronization

/// Looks at the process's memory every five seconds and warns once each time it grows past a threshold.
///
/// The gauges `process_resident_memory_bytes` and `process_resident_memory_peak_bytes` need no sampler: they are read
/// when Prometheus asks.
public struct MemorySampler: Service {
    private static let interval: Duration = .seconds(5)

    private let threshold: Int64
    private let logger: Logger

    public init(settings: ServiceSettings, logger: Logger) {
        threshold = settings.memoryWarningBytes
        self.logger = logger
    }

    /// Watches until graceful shutdown.
    public func run() async throws {
        let watch = MemoryWatch(threshold: threshold)
        await repeatUntilShutdown(every: Self.interval) {
            let usage = MemoryUsage.current()
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

/// Tells the moment a value goes above a threshold. It counts as back below at nine tenths, so that memory
/// that hovers there does not fill the log.
final class MemoryWatch: Sendable {
    private let threshold: Int64
    private let isAbove = Mutex(false)

    init(threshold: Int64) {
        self.threshold = threshold
    }

    func hasJustCrossed(_ bytes: Int64) -> Bool {
        isAbove.withLock { isAbove in
            let wasAbove = isAbove
            isAbove = bytes > (wasAbove ? threshold / 10 * 9 : threshold)
            return isAbove && !wasAbove
        }
    }
}

struct MemoryUsage: Hashable, Sendable {
    /// Resident now, in bytes.
    let resident: Int64
    /// The most that was ever resident, in bytes.
    let peak: Int64

    /// Asks the kernel, in some ten microseconds; both are 0 where `/proc` is not mounted.
    static func current() -> MemoryUsage {
        let values = ProcessStatus.bytes(of: "VmRSS", "VmHWM")
        return MemoryUsage(resident: values[0], peak: values[1])
    }
}
