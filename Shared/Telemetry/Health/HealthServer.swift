import Hummingbird
import HummingbirdCore
public import Logging
import NIOCore
public import ServiceLifecycle

/// Answers probes and Prometheus on a port of its own, for services that serve nothing else over HTTP.
///
/// Give it first to `ServiceRunner`: services stop in reverse, so it goes on saying `draining` while the others stop.
public struct HealthServer: Service {
    private let settings: ServiceSettings
    private let readiness: Readiness
    private let registry: PrometheusRegistry
    private let logger: Logger
    private let onListening: @Sendable (Int?) async -> Void

    /// Prepares the server; `run` opens the port.
    public init(
        settings: ServiceSettings,
        readiness: Readiness,
        registry: PrometheusRegistry = .process,
        logger: Logger
    ) {
        self.init(settings: settings, readiness: readiness, registry: registry, logger: logger) { _ in }
    }

    init(
        settings: ServiceSettings,
        readiness: Readiness,
        registry: PrometheusRegistry,
        logger: Logger,
        onListening: @escaping @Sendable (Int?) async -> Void
    ) {
        self.settings = settings
        self.readiness = readiness
        self.registry = registry
        self.logger = logger
        self.onListening = onListening
    }

    /// Serves until graceful shutdown.
    ///
    /// - Throws: An error that names the address if it cannot be listened on.
    public func run() async throws {
        let router = Router()
        router.addHealthRoutes(readiness: readiness, registry: registry)
        let address = "\(settings.healthHost):\(settings.healthPort)"
        let application = Application(
            router: router,
            server: .http1(configuration: .init(idleTimeout: .seconds(30))),
            configuration: ApplicationConfiguration(
                address: .hostname(settings.healthHost, port: settings.healthPort),
                availableConnectionsDelegate: MaximumAvailableConnections(64)
            ),
            onServerRunning: { await onListening($0.localAddress?.port) },
            logger: logger
        )
        do {
            try await application.run()
        } catch let error as IOError {
            throw HealthServerError(address: address, reason: "\(error)")
        }
    }
}

/// The health server's port cannot be used.
struct HealthServerError: Error, CustomStringConvertible {
    let address: String
    let reason: String

    var description: String { "cannot serve health on \(address): \(reason). Set HEALTH_PORT to a free port." }
}
