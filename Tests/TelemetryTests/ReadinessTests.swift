import Models
import Synchronization
import Testing

@testable import Telemetry

@Suite("Readiness")
struct ReadinessTests {
    @Test("The worst check speaks for the process")
    func worst() async {
        let readiness = Readiness(limit: .seconds(2), lifetime: .zero)
        #expect(await readiness.report().status == .ready)
        readiness.register("database") { .ok }
        #expect(await readiness.report().status == .ready)
        readiness.register("broker") { .degraded("away: uploads wait") }
        #expect(await readiness.report().status == .degraded)
        #expect(await readiness.report().takesWork)
        readiness.register("volumes") { .failed("all full", action: "Add a volume.") }
        let report = await readiness.report()
        #expect(report.status == .failed)
        #expect(!report.takesWork)
        #expect(report.checks.map(\.name) == ["database", "broker", "volumes"])
        #expect(report.checks.last?.action == "Add a volume.")
    }

    @Test("A process told to stop is unready at once, whatever was found a moment ago")
    func draining() async {
        let readiness = Readiness(limit: .seconds(2), lifetime: .seconds(60))
        readiness.register("database") { .ok }
        #expect(await readiness.report().status == .ready)
        readiness.drain()
        let report = await readiness.report()
        #expect(report.status == .draining)
        #expect(!report.takesWork)
    }

    @Test("Probes that come together, or within a second, ask once")
    func cached() async {
        let calls = Atomic(0)
        let readiness = Readiness()
        readiness.register("database") {
            calls.add(1, ordering: .relaxed)
            return .ok
        }
        await withTaskGroup { group in
            for _ in 0..<50 { group.addTask { _ = await readiness.report() } }
        }
        #expect(calls.load(ordering: .relaxed) == 1)
    }

    @Test("A check that hangs, and ignores its cancellation, fails in time and is not started again")
    func hanging() async {
        let calls = Atomic(0)
        let (gate, open) = AsyncStream.makeStream(of: Void.self)
        let readiness = Readiness(limit: .milliseconds(50), lifetime: .zero)
        readiness.register("broker") {
            calls.add(1, ordering: .relaxed)
            await Task { for await _ in gate { return } }.value
            return .ok
        }
        readiness.register("database") { .ok }
        for _ in 0..<3 {
            let report = await readiness.report()
            #expect(report.status == .failed)
            #expect(report.checks.map(\.status) == ["failed", "ok"])
        }
        #expect(calls.load(ordering: .relaxed) == 1)
        open.finish()
        while await readiness.report().status != .ready { await Task.yield() }
        #expect(calls.load(ordering: .relaxed) >= 2)
    }
}
