public import Config
import CoreMetrics
import Glibc
public import Logging
public import ServiceLifecycle
import Synchronization
import UnixSignals

public struct ServiceContext: Sendable {
    public let service: String
    public let reader: SettingsReader
    public let settings: ServiceSettings
    public let logger: Logger
    /// Where the service registers its checks; draining from SIGTERM on.
    public let readiness: Readiness
}

/// Runs a service's parts until SIGTERM or SIGINT.
///
/// From the signal on readiness says `draining`. The parts are stopped in reverse, each awaited before the next; after
/// the grace period what is left is cancelled, and five seconds later the process ends as it is.
public struct ServiceRunner: Sendable {
    private let settings: ServiceSettings
    private let readiness: Readiness
    private let logger: Logger

    init(settings: ServiceSettings, readiness: Readiness, logger: Logger) {
        self.settings = settings
        self.readiness = readiness
        self.logger = logger
    }

    /// The whole of a service's `main`: reads the settings, starts logs and metrics, builds the parts and runs them,
    /// started in the order `build` gives. `healthPort` is the default of `HEALTH_PORT`.
    ///
    /// Any error, of the settings above all, ends the process with one line and status 1.
    public static func main(
        _ service: String,
        healthPort: Int,
        build: (ServiceContext) async throws -> [any Service]
    ) async -> Never {
        let reader = SettingsReader.environment()
        let settings: ServiceSettings
        do {
            settings = try ServiceSettings(reader: reader, healthPort: healthPort)
        } catch {
            bootstrap(service: service, settings: ServiceSettings()).critical("\(error)")
            exit(EXIT_FAILURE)
        }
        let logger = bootstrap(service: service, settings: settings)
        DescriptorLimit.raise()
        let readiness = Readiness()
        do {
            let services = try await build(
                ServiceContext(
                    service: service,
                    reader: reader,
                    settings: settings,
                    logger: logger,
                    readiness: readiness
                )
            )
            try await ServiceRunner(settings: settings, readiness: readiness, logger: logger).run(services)
        } catch is CancellationError {
            logger.critical("work was cancelled: the grace period was over")
            exit(EXIT_FAILURE)
        } catch {
            logger.critical("\(error)")
            exit(EXIT_FAILURE)
        }
        logger.info("stopped")
        exit(EXIT_SUCCESS)
    }

    /// Makes every logger of the process write JSON lines to standard output, and every metric count in
    /// `PrometheusRegistry.process`; gives the service's logger.
    private static func bootstrap(service: String, settings: ServiceSettings) -> Logger {
        // A reader of the logs that went away must not take the process with it.
        signal(SIGPIPE, SIG_IGN)
        let output = LogOutput(descriptor: STDOUT_FILENO)
        LoggingSystem.bootstrap { _ in
            var handler = JSONLogHandler(service: service, instance: settings.instance, output: output)
            handler.logLevel = settings.logLevel
            return handler
        }
        MetricsSystem.bootstrap(PrometheusRegistry.process)
        return Logger(label: service)
    }

    /// Runs the parts until a signal has stopped them all.
    ///
    /// - Throws: The error of the first part that failed; the others have been cancelled by then. A part that ends
    ///   before it is told to is an error, too.
    func run(_ services: [any Service]) async throws {
        logger.info("started", metadata: ["version": "\(settings.version)"])
        let group = group(of: services) { [gracePeriod = settings.gracePeriod, logger] in
            // A part that ignores even its cancellation must not keep the process for ever.
            Task.detached {
                try await Task.sleep(for: gracePeriod + .seconds(5))
                logger.critical("a part of the service did not stop in time")
                exit(EXIT_FAILURE)
            }
        }
        try await group.run()
    }

    func group(
        of services: [any Service],
        signals: [UnixSignal] = [.sigterm, .sigint],
        onDrain: @escaping @Sendable () -> Void = {}
    ) -> ServiceGroup {
        let drain = Drain(
            readiness: readiness,
            gracePeriod: settings.gracePeriod,
            logger: logger,
            onDrain: onDrain
        )
        var configuration = ServiceGroupConfiguration(
            services: services + [drain],
            gracefulShutdownSignals: signals,
            logger: logger
        )
        configuration.maximumGracefulShutdownDuration = settings.gracePeriod
        return ServiceGroup(configuration: configuration)
    }
}

/// Stands last among the services, so that it is the first to hear of a shutdown.
private struct Drain: Service {
    let readiness: Readiness
    let gracePeriod: Duration
    let logger: Logger
    let onDrain: @Sendable () -> Void

    func run() async throws {
        try await gracefulShutdown()
        readiness.drain()
        logger.info("stopping", metadata: ["grace_period": "\(gracePeriod)"])
        onDrain()
    }
}

/// How many files and connections a process may have open.
enum DescriptorLimit {
    /// A client costs two at most. Programs that this one starts inherit the limit, and some walk through all of it.
    static let enough: rlim_t = 65_536

    /// Takes what the system allows. It begins at 1024, for the sake of programs that use `select`; where it cannot be
    /// raised, it stays.
    static func raise() {
        var limit = current
        let wanted = min(limit.rlim_max, enough)
        guard limit.rlim_cur < wanted else { return }
        limit.rlim_cur = wanted
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }

    static var current: rlimit {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        return limit
    }
}

/// Calls `body` at once and then again `interval` after each time it has returned, until graceful shutdown or
/// cancellation. Neither is an error; a call under way sees itself cancelled and is waited for.
public func repeatUntilShutdown(
    every interval: Duration,
    _ body: @escaping @Sendable () async -> Void
) async {
    await cancelWhenGracefulShutdown {
        while !Task.isCancelled {
            await body()
            // Only cancellation ends a sleep early, and it ends the loop as well.
            try? await Task.sleep(for: interval)
        }
    }
}
