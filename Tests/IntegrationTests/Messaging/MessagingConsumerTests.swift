import Foundation
import Messaging
import Models
import Synchronization
import TestSupport
import Testing

extension Integration.Messaging {
    @Suite("Consumer")
    struct ConsumerTests {
        @Test("Deliveries are handled side by side, never more than the prefetch, and settled once")
        func prefetch() async throws {
            try await MessagingFixture.with { fixture in
                let counts = Mutex((running: 0, most: 0, handled: 0))
                let publisher = fixture.publisher()
                let consumer = fixture.consumer(prefetch: 3) { _ in
                    counts.withLock {
                        $0.running += 1
                        $0.most = max($0.most, $0.running)
                    }
                    try? await Task.sleep(for: .milliseconds(5))
                    counts.withLock {
                        $0.running -= 1
                        $0.handled += 1
                    }
                    return .done
                }
                try await fixture.running(publisher, consumer) {
                    _ = await publisher.publish((0..<60).map { fixture.message("\($0)") })
                    try await eventually("all are handled") { counts.withLock { $0.handled } == 60 }
                }
                #expect(counts.withLock { $0.most } == 3)
                #expect(counts.withLock { $0.handled } == 60)
                try await fixture.expectDepth(0)
            }
        }

        @Test("A delivery put back comes again, and says so")
        func requeue() async throws {
            try await MessagingFixture.with { fixture in
                let seen = Mutex<[Delivery]>([])
                let publisher = fixture.publisher()
                let consumer = fixture.consumer { delivery in
                    seen.withLock { seen in
                        seen.append(delivery)
                        return seen.count < 3 ? .requeue : .done
                    }
                }
                try await fixture.running(publisher, consumer) {
                    try await publisher.publish(fixture.message("again"))
                    try await eventually("it comes three times") { seen.withLock { $0.count } == 3 }
                }
                #expect(seen.withLock { $0.map(\.redelivered) } == [false, true, true])
                #expect(seen.withLock { $0.allSatisfy { $0.body == Array("again".utf8) } })
                try await fixture.expectDepth(0)
            }
        }

        @Test("A rejected delivery, and one put back for ever, end in the dead-letter queue")
        func deadLetters() async throws {
            try await MessagingFixture.with { fixture in
                let dead = Mutex<[String]>([])
                let publisher = fixture.publisher()
                let worker = fixture.consumer { $0.body == Array("bad".utf8) ? .reject : .requeue }
                let undertaker = fixture.consumer(of: fixture.deadLetters) { delivery in
                    dead.withLock { $0.append(String(decoding: delivery.body, as: UTF8.self)) }
                    return .done
                }
                try await fixture.running(publisher, worker, undertaker) {
                    try await publisher.publish(fixture.message("bad"))
                    try await publisher.publish(fixture.message("loop"))
                    try await eventually("both are dead letters") { dead.withLock { $0.sorted() } == ["bad", "loop"] }
                }
                try await fixture.expectDepth(0)
            }
        }

        @Test("A body of several frames, and an empty one, arrive whole")
        func bodies() async throws {
            try await MessagingFixture.with { fixture in
                let seen = Mutex<[[UInt8]]>([])
                let publisher = fixture.publisher()
                let consumer = fixture.consumer { delivery in
                    seen.withLock { $0.append(delivery.body) }
                    return .done
                }
                var large = fixture.message()
                large.body = (0..<Message.maximumBodyBytes).map { UInt8(truncatingIfNeeded: $0 &* 31) }
                try await fixture.running(publisher, consumer) {
                    _ = await publisher.publish([large, fixture.message("")])
                    try await eventually("both arrive") { seen.withLock { $0.count } == 2 }
                }
                #expect(seen.withLock { Set($0) } == [large.body, []])
            }
        }

        @Test("A stopping consumer lets its handler finish, settles it, and hands the rest back")
        func gracefulStop() async throws {
            try await MessagingFixture.with { fixture in
                let progress = Mutex((started: 0, finished: 0))
                let publisher = fixture.publisher()
                try await fixture.running(publisher) {
                    _ = await publisher.publish((0..<5).map { fixture.message("\($0)") })
                }
                let consumer = fixture.consumer(prefetch: 2) { _ in
                    progress.withLock { $0.started += 1 }
                    try? await Task.sleep(for: .milliseconds(300))
                    progress.withLock { $0.finished += 1 }
                    return .done
                }
                try await fixture.running(consumer) {
                    try await eventually("two are begun") { progress.withLock { $0.started } == 2 }
                }
                #expect(progress.withLock { $0.started } == 2)
                #expect(progress.withLock { $0.finished } == 2)
                try await fixture.expectDepth(3)
            }
        }

        @Test("A consumer that is cancelled leaves what it did not settle to the next one")
        func cancelled() async throws {
            try await MessagingFixture.with { fixture in
                let publisher = fixture.publisher()
                try await fixture.running(publisher) {
                    try await publisher.publish(fixture.message("held"))
                    let started = Mutex(false)
                    let first = fixture.consumer { _ in
                        started.withLock { $0 = true }
                        try? await Task.sleep(for: .seconds(60))
                        return .done
                    }
                    let run = Task { try await first.run() }
                    try await eventually("it is begun") { started.withLock { $0 } }
                    run.cancel()
                    try await run.value

                    let again = Mutex<Delivery?>(nil)
                    let second = fixture.consumer { delivery in
                        again.withLock { $0 = delivery }
                        return .done
                    }
                    try await fixture.running(second) {
                        try await eventually("it comes again") { again.withLock { $0 != nil } }
                    }
                    #expect(again.withLock { $0?.redelivered } == true)
                }
            }
        }

        @Test("A consumer whose queue is deleted says so, declares it again and goes on")
        func queueDeleted() async throws {
            try await MessagingFixture.with { fixture in
                let handled = Mutex(0)
                let publisher = fixture.publisher()
                let consumer = fixture.consumer { _ in
                    handled.withLock { $0 += 1 }
                    return .done
                }
                try await fixture.running(publisher, consumer) {
                    try fixture.delete(queue: fixture.queue)
                    let state = try await eventually("the consumer notices") {
                        consumer.state
                    } isSo: {
                        $0 != .connected
                    }
                    #expect("\(state)".contains("the broker ended the consumer: its queue was deleted"), "\(state)")
                    try await eventually("the consumer connects again") { consumer.state == .connected }
                    try await publisher.publish(fixture.message())
                    try await eventually("it is handled") { handled.withLock { $0 } == 1 }
                }
            }
        }

        @Test("Every listener hears the events it asked for, in their order, and only those")
        func events() async throws {
            try await MessagingFixture.with(publisherConnections: 1) { fixture in
                let heard = Mutex<[String: [String]]>([:])
                func listener(_ name: String, to keys: [String]) -> Consumer {
                    Consumer(events: keys, settings: fixture.settings, logger: fixture.logger) { delivery in
                        heard.withLock { $0[name, default: []].append(delivery.routingKey) }
                        return .done
                    }
                }
                let publisher = fixture.publisher()
                try await fixture.running(
                    publisher,
                    listener("all", to: ["#"]),
                    listener("assets", to: ["asset.*"])
                ) {
                    for name in ["asset.updated", "export.updated", "asset.deleted"] {
                        try await publisher.publish(
                            Message(exchange: fixture.events, routingKey: name, body: [], mandatory: false)
                        )
                    }
                    try await eventually("all are heard") {
                        heard.withLock { $0.values.map(\.count).sorted() } == [2, 3]
                    }
                }
                #expect(heard.withLock { $0["all"] } == ["asset.updated", "export.updated", "asset.deleted"])
                #expect(heard.withLock { $0["assets"] } == ["asset.updated", "asset.deleted"])
            }
        }

        @Test("Messages published one at a time each reach the handler")
        func latency() async throws {
            try await MessagingFixture.with { fixture in
                let (arrivals, feed) = AsyncStream.makeStream(of: ContinuousClock.Instant.self)
                let publisher = fixture.publisher()
                let consumer = fixture.consumer(prefetch: 1) { _ in
                    feed.yield(.now)
                    return .done
                }
                try await fixture.running(publisher, consumer) {
                    var waits: [Duration] = []
                    var arrival = arrivals.makeAsyncIterator()
                    for _ in 0..<500 {
                        let start = ContinuousClock.now
                        try await publisher.publish(fixture.message())
                        waits.append(try #require(await arrival.next()) - start)
                    }
                    waits.sort()
                    let (median, late) = (waits[250] / .milliseconds(1), waits[494] / .milliseconds(1))
                    print("publish to handler: p50 \(median) ms, p99 \(late) ms")
                    #expect(waits.count == 500)
                }
            }
        }
    }
}
