import Foundation
import TestSupport
import Testing

@testable import Messaging

extension Integration.Messaging {
    @Suite("Resources")
    struct ResourceTests {
        @Test("Descriptors and threads return to where they were")
        func returned() async throws {
            try await expectNothingLeft(rounds: 5) {
                try await MessagingFixture.with { fixture in
                    let publisher = fixture.publisher()
                    let consumer = fixture.consumer { _ in .done }
                    try await fixture.running(publisher, consumer) {
                        _ = await publisher.publish(Array(repeating: fixture.message(), count: 100))
                    }
                }
            }
        }

        @Test("Attempts to connect that fail leave nothing open")
        func failedAttempts() async throws {
            try await expectNothingLeft(rounds: 20) {
                for url in try ["amqp://127.0.0.1:1", TestServer.broker.url.replacing("//", with: "//nobody")] {
                    let settings = try MessagingSettings(url: url)
                    #expect(throws: BrokerFailure.self) { try BrokerConnection(settings, name: "test") }
                }
            }
        }

        private func expectNothingLeft(rounds: Int, _ round: () async throws -> Void) async throws {
            func count(_ directory: String) throws -> Int {
                try FileManager.default.contentsOfDirectory(atPath: "/proc/self/\(directory)").count
            }
            try await round()
            let (descriptors, threads) = (try count("fd"), try count("task"))
            for _ in 0..<rounds { try await round() }
            try await eventually("no descriptor is left", within: .seconds(5)) { try count("fd") <= descriptors }
            // The runtime's own threads come and go with the load; ours would be three a round.
            try await eventually("no thread is left", within: .seconds(5)) { try count("task") <= threads + 2 }
        }
    }
}
