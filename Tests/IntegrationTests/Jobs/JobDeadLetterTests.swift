import Database
import Foundation
import Jobs
import Models
import Synchronization
import TestSupport
import Testing

@testable import Messaging

extension Integration {
    /// What an operator can do about messages that nothing could handle.
    @Suite struct DeadLetterCommands {
        /// Publishes what no worker and no API would, and returns when the broker has it.
        private func publish(_ texts: [String], to queue: String) async throws {
            let fixture = try MessagingFixture()
            let publisher = fixture.publisher()
            try await fixture.running(publisher) {
                for text in texts { try await publisher.publish(fixture.message(text, to: queue)) }
            }
        }

        @discardableResult
        private func dead(_ environment: [String: String], _ arguments: String...) async throws -> String {
            try await run(Program.control.path.path, ["dead"] + arguments, environment: environment)
        }

        private func list(_ environment: [String: String]) async throws -> [JSONValue] {
            let text = try await dead(environment, "list", "--json")
            return try JSONDecoder().decode(JSONValue.self, from: Data(text.utf8)).elements
        }

        @Test("What no worker can read reaches the dead letters, is listed, kept by a replay and gone after a purge")
        func garbage() async throws {
            try await TestStack.with(.mediaWorker, .zipWorker) { stack in
                try await dead(stack.environment, "purge", "--yes")
                let queues = Job.Kind.allCases.map(Topology.queue(for:))
                for queue in queues { try await publish(["garbage for \(queue)"], to: queue) }
                try await eventually("all are dead letters") {
                    try await list(stack.environment).count == queues.count
                }

                for _ in 1...2 {
                    let letters = try await list(stack.environment)
                    #expect(letters.compactMap { $0["queue"].string }.sorted() == queues.sorted())
                    #expect(letters.allSatisfy { $0["reason"] == "rejected" })
                    #expect(letters.allSatisfy { $0["body"].string == "garbage for \($0["queue"].string ?? "")" })
                }
                #expect(try await stack.control("doctor").contains("tolvactl dead list"))

                let replayed = try await dead(stack.environment, "replay")
                #expect(replayed.split(separator: "\n").count { $0.hasPrefix("kept garbage for ") } == queues.count)
                #expect(try await list(stack.environment).count == queues.count)
                let refusal = await #expect(throws: CommandFailure.self) { try await dead(stack.environment, "purge") }
                #expect(refusal?.description.contains("tolvactl dead purge --yes") == true)
                #expect(try await list(stack.environment).count == queues.count)
                #expect(try await dead(stack.environment, "purge", "--yes").contains("removed: \(queues.count)"))
                #expect(try await list(stack.environment).isEmpty)
            }
        }

        @Test("A replay announces the jobs that are not finished, and forgets the others")
        func replay() async throws {
            try await CompanyFixture.with { fixture in
                let environment = ["DATABASE_URL": fixture.settings.url, "AMQP_URL": try TestServer.broker.url]
                try await dead(environment, "purge", "--yes")
                let (queued, ended) = (try await fixture.job(), try await fixture.job())
                _ = try await JobRepository(fixture.database).discard(ended, reason: "Not wanted.")
                let unknown = JobID.new()
                try await publish(["\(queued)", "\(ended)", "\(unknown)", "\u{1B}[2J"], to: Topology.deadLetters)

                let lines = try await dead(environment, "replay").split(separator: "\n").map(String.init)
                #expect(lines.contains { $0.hasPrefix("announced \(queued)") })
                #expect(lines.contains { $0.hasPrefix("removed \(ended)") })
                #expect(lines.contains { $0.hasPrefix("removed \(unknown)") })
                #expect(try await list(environment).map { $0["body"].string } == ["0x1b5b324a"])
                try await dead(environment, "purge", "--yes")

                // Other tests leave announcements of their own in the queue.
                let announced = Mutex(false)
                let messaging = try MessagingFixture()
                let consumer = messaging.consumer(prefetch: 10) { delivery in
                    if delivery.body == Array("\(queued)".utf8) { announced.withLock { $0 = true } }
                    return .done
                }
                try await messaging.running(consumer) {
                    try await eventually("the queued job is announced") { announced.withLock { $0 } }
                }
            }
        }
    }
}
