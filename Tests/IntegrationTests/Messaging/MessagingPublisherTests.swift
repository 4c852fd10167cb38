import Models
import TestSupport
import Testing

@testable import Messaging

extension Integration.Messaging {
    @Suite("Publisher")
    struct PublisherTests {
        @Test("A confirmed message is in its queue")
        func confirmed() async throws {
            try await MessagingFixture.with { fixture in
                let publisher = fixture.publisher()
                try await fixture.running(publisher) {
                    try await publisher.publish(fixture.message())
                    #expect(await publisher.depth(of: fixture.queue) == 1)
                }
            }
        }

        @Test("A message nobody takes is an error, and its neighbours are confirmed")
        func unroutable() async throws {
            try await MessagingFixture.with(publisherConnections: 1) { fixture in
                let publisher = fixture.publisher()
                try await fixture.running(publisher) {
                    let lost = fixture.message("lost", to: "no-such-queue")
                    let results = await publisher.publish(
                        (0..<100).map { $0 % 10 == 3 ? lost : fixture.message("\($0)") }
                    )
                    for (index, result) in results.enumerated() {
                        switch result {
                        case .success: #expect(index % 10 != 3)
                        case .failure(.unroutable(let reason)):
                            #expect(index % 10 == 3 && reason.contains("no-such-queue"))
                        case .failure(let error): Issue.record(error)
                        }
                    }
                    var event = lost
                    event.mandatory = false
                    try await publisher.publish(event)
                }
            }
        }

        @Test("A full queue's refusal is told from a failure of the connection")
        func refused() async throws {
            try await MessagingFixture.with { fixture in
                let publisher = fixture.publisher()
                let full = try fixture.declareFullQueue()
                try await fixture.running(publisher) {
                    await #expect {
                        try await publisher.publish(fixture.message(to: full))
                    } throws: { error in
                        if case .refused = error as? MessagingError { true } else { false }
                    }
                    #expect(publisher.state == .connected)
                }
            }
        }

        @Test("A message too large to be sent is refused, and the connection lives on")
        func tooLarge() async throws {
            try await MessagingFixture.with { fixture in
                let publisher = fixture.publisher()
                var message = fixture.message()
                message.body = Array(repeating: 7, count: Message.maximumBodyBytes + 1)
                try await fixture.running(publisher) {
                    let results = await publisher.publish([fixture.message(), message, fixture.message()])
                    #expect(results[1].failure == .refused("its body is over 65536 bytes"))
                    message.body.removeLast()
                    try await publisher.publish(message)
                    #expect(await publisher.depth(of: fixture.queue) == 3)
                }
            }
        }

        @Test("20 000 pipelined messages are all confirmed")
        func pipelined() async throws {
            try await MessagingFixture.with { fixture in
                let publisher = fixture.publisher()
                var message = fixture.message()
                message.body = Array(repeating: 7, count: 1_024)
                try await fixture.running(publisher) {
                    _ = await publisher.publish(Array(repeating: message, count: 2_000))
                    let start = ContinuousClock.now
                    await withTaskGroup { group in
                        for _ in 0..<4 {
                            group.addTask { [message] in
                                await publisher.publish(Array(repeating: message, count: 5_000))
                            }
                        }
                        for await results in group {
                            #expect(results.count == 5_000 && results.allSatisfy(\.isConfirmed))
                        }
                    }
                    let elapsed = ContinuousClock.now - start
                    print("pipelined confirms: \(Int(20_000 / (elapsed / .seconds(1)))) a second")
                    #expect(await publisher.depth(of: fixture.queue) == 22_000)
                }
            }
        }

        @Test("5 000 calls at once are all confirmed")
        func manyCallers() async throws {
            try await MessagingFixture.with { fixture in
                let publisher = fixture.publisher()
                try await fixture.running(publisher) {
                    let start = ContinuousClock.now
                    try await withThrowingDiscardingTaskGroup { group in
                        for _ in 0..<5_000 {
                            group.addTask { try await publisher.publish(fixture.message()) }
                        }
                    }
                    let elapsed = ContinuousClock.now - start
                    print("confirms of single calls: \(Int(5_000 / (elapsed / .seconds(1)))) a second")
                    #expect(await publisher.depth(of: fixture.queue) == 5_000)
                }
            }
        }

        @Test("The depth of a queue that does not exist is unknown, and those of others are still told")
        func depth() async throws {
            try await MessagingFixture.with(publisherConnections: 1) { fixture in
                let publisher = fixture.publisher()
                try await fixture.running(publisher) {
                    for _ in 0..<3 {
                        async let missing = publisher.depth(of: "no-such-queue")
                        async let empty = publisher.depth(of: fixture.queue)
                        #expect(await missing == nil)
                        #expect(await empty == 0)
                    }
                    try await publisher.publish(fixture.message())
                }
            }
        }

        @Test("An idle connection outlives many heartbeats")
        func heartbeats() async throws {
            try await MessagingFixture.with(heartbeat: .seconds(1)) { fixture in
                let publisher = fixture.publisher()
                try await fixture.running(publisher) {
                    let end = ContinuousClock.now + .seconds(6)
                    while .now < end {
                        #expect(publisher.state == .connected)
                        try await Task.sleep(for: .milliseconds(100))
                    }
                    try await publisher.publish(fixture.message())
                }
            }
        }

        @Test("A stopping publisher ends what is under way, confirmed, and takes nothing more")
        func gracefulStop() async throws {
            try await MessagingFixture.with { fixture in
                let publisher = fixture.publisher()
                try await withThrowingTaskGroup { group in
                    try await fixture.running(publisher) {
                        group.addTask { await publisher.publish(Array(repeating: fixture.message(), count: 2_000)) }
                        try await eventually("messages arrive") { await (publisher.depth(of: fixture.queue) ?? 0) > 0 }
                    }
                    let results = try await group.next() ?? []
                    #expect(results.count == 2_000 && results.allSatisfy(\.isConfirmed))
                }
                await #expect {
                    try await publisher.publish(fixture.message())
                } throws: { error in
                    if case .unavailable = error as? MessagingError { true } else { false }
                }
            }
        }

        @Test("A wrong password is told, and never shown")
        func wrongPassword() async throws {
            let url = try TestServer.broker.url
            let address = try #require(url.split(separator: "@").last)
            let settings = try MessagingSettings(url: "amqp://tolva:hunter2@\(address)")
            try await MessagingFixture.with { fixture in
                let publisher = Publisher(settings: settings, logger: fixture.logger)
                let run = Task { try await publisher.run() }
                try await eventually("it is refused") { publisher.state.description.contains("ACCESS_REFUSED") }
                #expect(!publisher.state.description.contains("hunter2"))
                await #expect {
                    try await publisher.publish(fixture.message())
                } throws: { error in
                    let text = "\(error)"
                    return text.contains("ACCESS_REFUSED") && !text.contains("hunter2")
                }
                run.cancel()
                try await run.value
            }
        }
    }
}
