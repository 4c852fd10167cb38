import Foundation
import Logging
import ServiceLifecycle
import Synchronization
import Testing

@testable import Telemetry

@Suite("The process about itself", .timeLimit(.minutes(1)))
struct ProcessTests {
    @Test("Memory is what the kernel says, and the peak is never below it")
    func memory() {
        let block = [UInt8](repeating: 1, count: 64 << 20)
        let usage = MemoryUsage.current()
        #expect(usage.resident > 1 << 20)
        #expect(usage.peak >= block.count)
        #expect(usage.peak >= usage.resident)
    }

    @Test("Memory that grows past the threshold warns once, and again only after it has fallen")
    func crossing() {
        let watch = MemoryWatch(threshold: 1000)
        #expect(
            [500, 1001, 2000, 950, 1001, 899, 1001].map(watch.hasJustCrossed) == [
                false, true, false, false, false, false, true,
            ]
        )
    }

    @Test("A heartbeat goes on after an error, tells what the process works on, and ends on shutdown")
    func heartbeat() async throws {
        struct Away: Error {}
        let reports = AsyncStream.makeStream(of: InstanceReport.self)
        let calls = Atomic(0)
        let heartbeat = Heartbeat(
            service: "media-worker",
            settings: ServiceSettings(instance: "one", version: "1.2"),
            interval: .milliseconds(1),
            logger: .quiet,
            work: { ["job 7"] },
            send: { report in
                guard calls.add(1, ordering: .relaxed).newValue > 2 else { throw Away() }
                reports.continuation.yield(report)
            }
        )
        let group = ServiceGroup(services: [heartbeat], logger: .quiet)
        let run = Task { try await group.run() }
        let report = try #require(await reports.stream.first { _ in true })
        #expect(report.id == "one")
        #expect(report.service == "media-worker")
        #expect(report.work == ["job 7"])
        #expect(report.pid == getpid())
        #expect(report.memoryBytes > 0)
        #expect(report.startedAt < Date() && report.startedAt > Date() - 3600)
        await group.triggerGracefulShutdown()
        try await run.value
    }
}
