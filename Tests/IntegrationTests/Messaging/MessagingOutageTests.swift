import Foundation
import Messaging
import Models
import Synchronization
import TestSupport
import Testing

/// A number that tasks add to.
private final class Tally: Sendable {
    private let value = Atomic(0)

    var count: Int { value.load(ordering: .relaxed) }

    func add(_ number: Int) { value.add(number, ordering: .relaxed) }
}

extension Integration.Messaging {
    @Suite("Outages", .controlsBroker)
    struct OutageTests {
        @Test("While the broker is away a publish fails at once; when it is back, everything goes on by itself")
        func stoppedAndStarted() async throws {
            try await MessagingFixture.with { fixture in
                let handled = Mutex<[String: Int]>([:])
                let release = Mutex(false)
                let publisher = fixture.publisher()
                let consumer = fixture.consumer { delivery in
                    let text = String(decoding: delivery.body, as: UTF8.self)
                    handled.withLock { $0[text, default: 0] += 1 }
                    if text == "held" { try? await eventually("it is released") { release.withLock { $0 } } }
                    return .done
                }
                try await fixture.running(publisher, consumer) {
                    try await publisher.publish(fixture.message("held"))
                    try await eventually("it is held") { handled.withLock { $0["held"] } == 1 }

                    try await TestServer.broker.stop()
                    try await eventually("both notice") {
                        publisher.state != .connected && consumer.state != .connected
                    }
                    let start = ContinuousClock.now
                    let results = await publisher.publish(Array(repeating: fixture.message(), count: 1_000))
                    // Not a measure of speed: only well below the time a publish may wait for its confirm.
                    #expect(ContinuousClock.now - start < .seconds(5))
                    for result in results {
                        guard case .failure(.unavailable) = result else {
                            Issue.record("\(result)")
                            continue
                        }
                    }
                    #expect(await publisher.depth(of: fixture.queue) == nil)

                    try await TestServer.broker.start()
                    try await eventually("both connect again") {
                        publisher.state == .connected && consumer.state == .connected
                    }
                    try await eventually("it comes again") { handled.withLock { $0["held"] } == 2 }
                    try await publisher.publish(fixture.message("after"))
                    try await eventually("the next comes") { handled.withLock { $0["after"] } == 1 }
                    release.withLock { $0 = true }
                }
                // The first handler's outcome came too late to count; the second's ended the message.
                try await fixture.expectDepth(0)
                #expect(handled.withLock { $0 } == ["held": 2, "after": 1])
            }
        }

        @Test("Messages under way when the broker stops end, each once, and the confirmed ones are in the queue")
        func stoppedUnderLoad() async throws {
            try await MessagingFixture.with { fixture in
                let publisher = fixture.publisher()
                let confirmed = Tally()
                let stops = Tally()
                try await fixture.running(publisher) {
                    try await withThrowingDiscardingTaskGroup { group in
                        for _ in 0..<4 {
                            group.addTask {
                                while !Task.isCancelled {
                                    let batch = await publisher.publish(Array(repeating: fixture.message(), count: 500))
                                    confirmed.add(batch.count(where: \.isConfirmed))
                                    guard let failure = batch.first(where: { !$0.isConfirmed }) else { continue }
                                    if stops.count > 0 { break }
                                    print("not confirmed before the broker is stopped: \(failure)")
                                }
                            }
                        }
                        try await eventually("messages are confirmed") { confirmed.count >= 5_000 }
                        stops.add(1)
                        try await TestServer.broker.stop()
                    }
                    try await TestServer.broker.start()
                    try await eventually("the publisher connects again") { publisher.state == .connected }
                    try await eventually("the queue is there") { await publisher.depth(of: fixture.queue) != nil }
                    let depth = try #require(await publisher.depth(of: fixture.queue))
                    let least = confirmed.count
                    print("confirmed \(least), in the queue \(depth)")
                    #expect(depth >= least)
                }
            }
        }

        @Test("A consumer told to stop while the broker is away ends at once")
        func stopWhileAway() async throws {
            try await MessagingFixture.with { fixture in
                try await TestServer.broker.stopped {
                    let consumer = fixture.consumer { _ in .done }
                    let publisher = fixture.publisher()
                    let runs = [Task { try await consumer.run() }, Task { try await publisher.run() }]
                    try await eventually("both try to connect") {
                        [publisher.state, consumer.state].allSatisfy { $0.description.contains("connecting") }
                    }
                    let start = ContinuousClock.now
                    for run in runs {
                        run.cancel()
                        try await run.value
                    }
                    // Not a measure of speed: only well below the time an attempt to connect may take.
                    #expect(ContinuousClock.now - start < .seconds(4))
                }
            }
        }
    }

    @Suite("Alarms", .controlsBroker)
    struct AlarmTests {
        @Test("During an alarm publishing fails at once and says why; afterwards it goes on")
        func blocked() async throws {
            try await MessagingFixture.with(publishTimeout: .seconds(2)) { fixture in
                let publisher = fixture.publisher()
                try await fixture.running(publisher) {
                    try await TestServer.broker.alarmed {
                        // The broker announces an alarm to a connection once that publishes.
                        try await eventually("the publisher knows of the alarm") {
                            _ = await publisher.publish([fixture.message()])
                            guard case .blocked = publisher.state else { return false }
                            return true
                        }
                        let start = ContinuousClock.now
                        for _ in 0..<10 {
                            await #expect {
                                try await publisher.publish(fixture.message())
                            } throws: { error in
                                guard case .unavailable(let reason) = error as? MessagingError else { return false }
                                return reason.contains("blocked")
                            }
                        }
                        #expect(ContinuousClock.now - start < .seconds(1))
                    }
                    try await eventually("the publisher connects again") { publisher.state == .connected }
                    try await publisher.publish(fixture.message())
                }
            }
        }
    }
}
