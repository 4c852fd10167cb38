import CoreMetrics
import Foundation
import FoundationNetworking
import Logging
import Models
import ServiceLifecycle
import Testing

@testable import Telemetry

@Suite("Health server", .timeLimit(.minutes(1)))
struct HealthServerTests {
    @Test("It answers probes and Prometheus, and 503 from the moment it drains")
    func answers() async throws {
        let readiness = Readiness(limit: .seconds(2), lifetime: .zero)
        let registry = PrometheusRegistry()
        Counter(label: "uploads", factory: registry).increment()
        readiness.register("broker") { .degraded("away") }
        try await serving(readiness, registry) { port in
            let live = try await get("/health/live", port)
            #expect(live.0 == 200)
            #expect(live.1 == #"{"status":"live"}"#)

            let ready = try await get("/health/ready", port)
            #expect(ready.0 == 200)
            #expect(
                ready.1 == #"{"checks":[{"detail":"away","name":"broker","status":"degraded"}],"status":"degraded"}"#
            )

            let metrics = try await get("/metrics", port)
            #expect(metrics.0 == 200)
            #expect(metrics.1.contains("uploads_total 1\n"))
            #expect(metrics.1.contains("process_resident_memory_bytes "))

            readiness.drain()
            #expect(try await get("/health/ready", port).0 == 503)
            #expect(try await get("/health/live", port).0 == 200)
        }
    }

    @Test("A port that is taken is an error that names it")
    func portTaken() async throws {
        try await serving(Readiness(), PrometheusRegistry()) { port in
            let settings = ServiceSettings(healthPort: port)
            let error = await #expect(throws: HealthServerError.self) {
                try await HealthServer(settings: settings, readiness: Readiness(), logger: .quiet).run()
            }
            #expect(error?.description.contains("127.0.0.1:\(port)") == true)
        }
    }

    private func serving(
        _ readiness: Readiness,
        _ registry: PrometheusRegistry,
        _ body: (Int) async throws -> Void
    ) async throws {
        let (ports, port) = AsyncStream.makeStream(of: Int.self)
        let server = HealthServer(
            settings: ServiceSettings(),
            readiness: readiness,
            registry: registry,
            logger: .quiet,
            onListening: { if let bound = $0 { port.yield(bound) } }
        )
        let group = ServiceGroup(services: [server], logger: .quiet)
        let run = Task { try await group.run() }
        let bound = try #require(await ports.first { _ in true })
        try await body(bound)
        await group.triggerGracefulShutdown()
        try await run.value
    }

    private func get(_ path: String, _ port: Int) async throws -> (Int, String) {
        let url = try #require(URL(string: "http://127.0.0.1:\(port)\(path)"))
        let (data, response) = try await URLSession.shared.data(from: url)
        let status = try #require(response as? HTTPURLResponse).statusCode
        return (status, String(decoding: data, as: UTF8.self))
    }
}

extension Logger {
    static let quiet = Logger(label: "quiet") { _ in SwiftLogNoOpLogHandler() }
}
