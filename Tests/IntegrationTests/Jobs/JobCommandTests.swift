import Database
import Foundation
import Messaging
import Models
import TestSupport
import Testing

extension Integration {
    /// What an operator sees of work that failed, and can do about it.
    @Suite struct JobCommands {
        private func cutPhoto(in stack: TestStack) async throws -> URL {
            let whole = try await Samples(in: stack.directory).photo("whole.jpg", bytes: 200_000)
            let cut = stack.directory.appending(path: "cut.jpg")
            try Data(contentsOf: whole).prefix(80_000).write(to: cut)
            return cut
        }

        private func jobs(_ stack: TestStack, _ command: String, _ arguments: String...) async throws -> [JSONValue] {
            try await stack.controlJSON(["jobs", command] + arguments).elements
        }

        /// What `tolvactl` says as it refuses.
        private func refusal(_ stack: TestStack, _ arguments: String...) async throws -> String {
            let failure = await #expect(throws: CommandFailure.self) {
                try await run(Program.control.path.path, arguments, environment: stack.environment)
            }
            return try #require(failure).description
        }

        @Test("A failed job is listed with its reason, shown with its attempts, and tried again when it is told to be")
        func failed() async throws {
            try await TestStack.with(.mediaWorker) { stack in
                let asset = try await stack.uploadOne(try await cutPhoto(in: stack))
                let failed = try await stack.client.settled(asset)
                #expect(failed["status"] == "failed")

                let listed = try await jobs(stack, "list", "--state", "failed", "--kind", "media.image")
                #expect(listed.count == 1)
                let job = try #require(listed.first?["id"].string)
                #expect(listed.first?["asset_id"].string == asset)
                #expect(listed.first?["reason"].string == failed["error"].string)
                #expect(listed.first?["company"] == "Demo")
                #expect(try await jobs(stack, "list", "--state", "queued").isEmpty)

                let shown = try await jobs(stack, "show", asset)
                #expect(shown.map { $0["id"].string } == [job])
                #expect(shown[0]["history"].elements.map { $0["outcome"].string } == ["failed"])
                #expect(try await stack.control("jobs", "show", job).contains("cut.jpg of EQ-"))

                #expect(try await stack.control("jobs", "retry", asset).contains("queued \(job)"))
                try await eventually("the job is tried again", within: .seconds(60)) {
                    try await jobs(stack, "show", job)[0]["history"].elements.count == 2
                }
                #expect(try await stack.control("jobs", "retry", "--all-failed").contains("queued \(job)"))
            }
        }

        @Test("A job that is discarded fails with the operator's reason, and becomes ready after a retry")
        func discarded() async throws {
            try await TestStack.with { stack in
                let asset = try await stack.uploadOne(try await Samples(in: stack.directory).png())
                try await stack.control("jobs", "discard", asset, "--reason", "It was sent twice.")
                let failed = try await stack.client.send("GET", "/v1/assets/\(asset)").json
                #expect(failed["status"] == "failed")
                #expect(failed["error"] == "It was sent twice.")
                #expect(try await refusal(stack, "jobs", "discard", asset).contains("has ended already"))
                #expect(try await refusal(stack, "jobs", "show", "\(UUID())").contains("No job, asset or export"))

                try await stack.control("jobs", "retry", asset)
                #expect(try await refusal(stack, "jobs", "retry", asset).contains("has not failed: it is queued"))
                let worker = try await stack.start(.mediaWorker)
                #expect(try await stack.client.settled(asset)["status"] == "ready")
                try await stack.stop(worker)
            }
        }

        @Test("A video that is discarded while it is encoded leaves nothing but its original")
        func discardedUnderWay() async throws {
            try await TestStack.with { stack in
                let worker = try await stack.start(.mediaWorker)
                let asset = try await stack.uploadOne(try await Samples(in: stack.directory).video(seconds: 60))
                try await stack.client.taken(asset)
                try await stack.control("jobs", "discard", asset)
                // Whatever of it is encoded when the lease is found lost goes before the worker has stopped.
                try await stack.stop(worker)
                #expect(try await stack.client.settled(asset)["status"] == "failed")
                #expect(stack.files.count == 1, "\(stack.files)")
                let history = try await jobs(stack, "show", asset)[0]["history"].elements
                #expect(history.map { $0["outcome"].string } == ["discarded"])
            }
        }

        @Test(
            "Jobs that no broker knows of show in the metrics while it is away, and are gone when it is back",
            .controlsBroker
        )
        func unannounced() async throws {
            try await TestStack.with { stack in
                func unannounced() async throws -> Double? {
                    try await stack.client.metric("tolva_jobs_unannounced", labels: "kind=\"media.image\"")
                }
                try await TestServer.broker.stopped {
                    _ = try await stack.uploadOne(try await Samples(in: stack.directory).png())
                    try await eventually("the job shows", within: .seconds(60)) { try await unannounced() == 1 }
                }
                try await eventually("the job is announced", within: .seconds(120)) { try await unannounced() == 0 }
            }
        }
    }
}
