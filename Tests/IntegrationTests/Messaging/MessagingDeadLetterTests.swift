import Foundation
import Messaging
import Models
import TestSupport
import Testing

extension Integration.Messaging {
    @Suite("Dead letters")
    struct DeadLetterTests {
        private struct Stop: Error {}

        /// Has a worker reject one message and put another back for ever.
        private func withTwo(_ body: (MessagingFixture, DeadLetters) async throws -> Void) async throws {
            try await MessagingFixture.with { fixture in
                let publisher = fixture.publisher()
                let worker = fixture.consumer { $0.body == Array("bad".utf8) ? .reject : .requeue }
                try await fixture.running(publisher, worker) {
                    _ = await publisher.publish([fixture.message("bad"), fixture.message("loop")])
                    try await eventually("both are dead letters") {
                        await publisher.depth(of: fixture.deadLetters) == 2
                    }
                }
                try await body(fixture, DeadLetters(settings: fixture.settings))
            }
        }

        private func texts(in letters: DeadLetters) async throws -> [String] {
            var texts: [String] = []
            try await letters.visit { letter in
                texts.append(String(decoding: letter.beginning, as: UTF8.self))
                return .keep
            }
            return texts.sorted()
        }

        @Test("They are shown with where they died and why, and stay, however often one looks")
        func shown() async throws {
            try await withTwo { fixture, letters in
                var seen: [String: DeadLetter] = [:]
                try await letters.visit { letter in
                    seen[String(decoding: letter.beginning, as: UTF8.self)] = letter
                    return .keep
                }
                #expect(Set(seen.keys) == ["bad", "loop"])
                #expect(seen.values.allSatisfy { $0.queue == fixture.queue && $0.times == 1 && $0.job == nil })
                #expect(seen["bad"]?.reason == "rejected")
                #expect(seen["loop"]?.reason == "delivery_limit")
                let died = try #require(seen["bad"]?.diedAt)
                #expect(abs(died.timeIntervalSinceNow) < 300)
                for _ in 0..<25 { #expect(try await texts(in: letters) == ["bad", "loop"]) }
            }
        }

        @Test("One that is removed is gone, the others stay, also when the visit breaks off")
        func removed() async throws {
            try await withTwo { fixture, letters in
                await #expect(throws: Stop.self) {
                    var visits = 0
                    try await letters.visit { letter in
                        visits += 1
                        if visits == 2 { throw Stop() }
                        return .keep
                    }
                }
                #expect(try await texts(in: letters) == ["bad", "loop"])
                try await letters.visit { $0.reason == "rejected" ? .remove : .keep }
                #expect(try await texts(in: letters) == ["loop"])
            }
        }

        @Test("A visit of some shows no more than those, and a purge removes all and says how many")
        func limits() async throws {
            try await withTwo { fixture, letters in
                var visits = 0
                try await letters.visit(limit: 1) { _ in
                    visits += 1
                    return .keep
                }
                #expect(visits == 1)
                #expect(try await letters.purge() == 2)
                #expect(try await texts(in: letters).isEmpty)
            }
        }

        @Test("A job's id is recognised, and of a large body only the beginning is read")
        func bodies() async throws {
            try await MessagingFixture.with { fixture in
                let id = JobID.new()
                let publisher = fixture.publisher()
                try await fixture.running(publisher) {
                    var large = fixture.message(to: fixture.deadLetters)
                    large.body = Array(repeating: 7, count: Message.maximumBodyBytes)
                    let bodies = [id.description, "", "\(id) "]
                    let others = bodies.map { fixture.message($0, to: fixture.deadLetters) }
                    for result in await publisher.publish(others + [large]) { try result.get() }
                }
                var letters: [DeadLetter] = []
                try await DeadLetters(settings: fixture.settings).visit { letter in
                    letters.append(letter)
                    return .remove
                }
                #expect(letters.map(\.job) == [id, nil, nil, nil])
                #expect(letters.map(\.bytes) == [36, 0, 37, Message.maximumBodyBytes])
                #expect(letters.last?.beginning.count == 1024)
                #expect(letters.allSatisfy { $0.queue == nil && $0.times == 0 })
            }
        }
    }
}
