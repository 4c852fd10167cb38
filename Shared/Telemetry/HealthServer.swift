import Foundation
import HTTPTypes
public import Hummingbird
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

    public init(settings: ServiceSettings, readiness: Readiness, logger: Logger) {
        self.init(settings: settings, readiness: readiness, logger: logger) { _ in }
    }

    init(
        settings: ServiceSettings,
        readiness: Readiness,
        registry: PrometheusRegistry = .process,
        logger: Logger,
        onListening: @escaping @Sendable (Int?) async -> Void
    ) {
        self.settings = settings
        self.readiness = readiness
        self.registry = registry
        self.logger = logger
        self.onListening = onListening
    }

    /// Serves until graceful shutdown. Throws an error that names the address if it cannot be listened on.
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

extension RouterMethods {
    /// Adds the three routes every service has.
    ///
    /// - `/health/live` answers 200 as long as the process answers at all.
    /// - `/health/ready` answers with each check: 200 if the process takes work, 503 if not.
    /// - `/metrics` is for Prometheus.
    public func addHealthRoutes(readiness: Readiness) {
        addHealthRoutes(readiness: readiness, registry: .process)
    }

    func addHealthRoutes(readiness: Readiness, registry: PrometheusRegistry) {
        get("/health/live") { _, _ in
            Response(text: #"{"status":"live"}"#, type: "application/json")
        }
        get("/health/ready") { _, _ in
            let report = await readiness.report()
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            return Response(
                status: report.takesWork ? .ok : .serviceUnavailable,
                text: String(decoding: try encoder.encode(report), as: UTF8.self),
                type: "application/json"
            )
        }
        get("/metrics") { _, _ in
            Response(text: registry.exposition() + ProcessMetrics.exposition(), type: Exposition.contentType)
        }
    }
}

extension Response {
    fileprivate init(status: HTTPResponse.Status = .ok, text: String, type: String) {
        self.init(
            status: status,
            headers: [.contentType: type, .cacheControl: "no-store"],
            body: ResponseBody(byteBuffer: ByteBuffer(string: text))
        )
    }
}
