import Config
import Configuration
import Logging
import ServiceLifecycle
import Synchronization
import Testing

@testable import Telemetry

@Suite("Services", .timeLimit(.minutes(1)))
struct ServiceRunnerTests {
    @Test("A process told to stop drains before its parts stop, and ends well")
    func drains() async throws {
        let readiness = Readiness()
        let wasDraining = Mutex<Bool?>(nil)
        let started = AsyncStream.makeStream(of: Void.self)
        let part = ClosureService {
            started.continuation.yield()
            try await gracefulShutdown()
            wasDraining.withLock { $0 = readiness.isDraining }
        }
        let group = runner(readiness).group(of: [part], signals: [])
        let run = Task { try await group.run() }
        _ = await started.stream.first { _ in true }
        await group.triggerGracefulShutdown()
        try await run.value
        #expect(wasDraining.withLock { $0 } == true)
    }

    @Test("Past the grace period a part is cancelled")
    func cancelled() async throws {
        let started = AsyncStream.makeStream(of: Void.self)
        let part = ClosureService {
            started.continuation.yield()
            while !Task.isCancelled { try? await Task.sleep(for: .seconds(60)) }
        }
        let settings = ServiceSettings(gracePeriod: .milliseconds(50))
        let runner = ServiceRunner(settings: settings, readiness: Readiness(), logger: .quiet)
        let group = runner.group(of: [part], signals: [])
        let run = Task { try await group.run() }
        _ = await started.stream.first { _ in true }
        await group.triggerGracefulShutdown()
        _ = await run.result
    }

    @Test("The first part that fails ends the run with its error")
    func fails() async throws {
        struct Broken: Error {}
        let waiting = ClosureService { try await gracefulShutdown() }
        let broken = ClosureService { throw Broken() }
        await #expect(throws: Broken.self) {
            try await runner(Readiness()).group(of: [waiting, broken], signals: []).run()
        }
    }

    @Test("Settings have the documented defaults, and a wrong one is named")
    func settings() throws {
        let none = try ServiceSettings(reader: reader([:]), healthPort: 8081)
        #expect(none.healthHost == "0.0.0.0")
        #expect(none.healthPort == 8081)
        #expect(none.gracePeriod == .seconds(30))
        #expect(none.memoryWarningBytes == 536_870_912)
        #expect(none.version == "dev")
        let some = try ServiceSettings(
            reader: reader(["LOG_LEVEL": "WARNING", "HEALTH_PORT": "9", "TOLVA_VERSION": "1.2"]),
            healthPort: 8081
        )
        #expect(some.logLevel == .warning)
        #expect(some.healthPort == 9)
        #expect(some.version == "1.2")
        let error = #expect(throws: SettingsError.self) {
            try ServiceSettings(reader: reader(["LOG_LEVEL": "loud"]), healthPort: 8081)
        }
        #expect(error?.variable == "LOG_LEVEL")
    }

    private func runner(_ readiness: Readiness) -> ServiceRunner {
        ServiceRunner(settings: ServiceSettings(), readiness: readiness, logger: .quiet)
    }

    private func reader(_ values: [String: String]) -> SettingsReader {
        SettingsReader(ConfigReader(provider: EnvironmentVariablesProvider(environmentVariables: values)))
    }
}
