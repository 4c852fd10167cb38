public import Foundation
public import Logging
public import ServiceLifecycle
import Synchronization

/// What a running process says of itself.
public struct InstanceReport: Hashable, Sendable {
    public let id: String
    public let service: String
    public let version: String
    /// The host's name; in a container, its id.
    public let host: String
    public let pid: Int32
    /// Resident memory now, in bytes.
    public let memoryBytes: Int64
    /// What it is working on, a line each.
    public let work: [String]
    public let startedAt: Date
}

/// Reports this process every 15 seconds, until graceful shutdown.
public struct Heartbeat: Service {
    private let service: String
    private let settings: ServiceSettings
    private let interval: Duration
    private let logger: Logger
    private let work: @Sendable () async -> [String]
    private let send: @Sendable (InstanceReport) async throws -> Void

    /// `work` gives what the process is working on, a line each. An error of `send` is logged; the next report is tried
    /// all the same.
    public init(
        service: String,
        settings: ServiceSettings,
        interval: Duration = .seconds(15),
        logger: Logger,
        work: @escaping @Sendable () async -> [String] = { [] },
        send: @escaping @Sendable (InstanceReport) async throws -> Void
    ) {
        self.service = service
        self.settings = settings
        self.interval = interval
        self.logger = logger
        self.work = work
        self.send = send
    }

    public func run() async throws {
        let isFailing = Failing()
        await repeatUntilShutdown(every: interval) {
            do {
                try await send(report())
                if isFailing.becomes(false) { logger.info("this instance can be reported again") }
            } catch  where Task.isCancelled {
                return
            } catch {
                if isFailing.becomes(true) {
                    logger.warning("this instance cannot be reported", metadata: ["error": "\(error)"])
                }
            }
        }
    }

    private func report() async -> InstanceReport {
        InstanceReport(
            id: settings.instance,
            service: service,
            version: settings.version,
            host: ProcessStatus.host,
            pid: getpid(),
            memoryBytes: MemoryUsage.current().resident,
            work: await work(),
            startedAt: ProcessStatus.start
        )
    }
}

/// Whether the last report failed, to log an outage once and not with every report.
private final class Failing: Sendable {
    private let state = Mutex(false)

    /// Whether that is news.
    func becomes(_ isFailing: Bool) -> Bool {
        state.withLock { state in
            defer { state = isFailing }
            return state != isFailing
        }
    }
}
