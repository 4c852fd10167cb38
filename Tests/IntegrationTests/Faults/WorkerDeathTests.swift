import Database
import Foundation
import Models
import TestSupport
import Testing

extension Integration {
    /// A file that kills its worker, beside files that do not.
    @Suite struct WorkerDeaths {
        @Test("A file that kills its worker each time ends failed and says so; those that ran beside it end ready")
        func killer() async throws {
            try await TestStack.with { stack in
                let item = try await stack.client.makeItem()
                var assets: [String] = []
                for number in 1...6 {
                    let photo = try await Samples(in: stack.directory).photo("\(number).jpg", bytes: 2_000_000 + number)
                    let answer = try await stack.client.upload([photo], to: item)
                    assets.append(try #require(answer.json["assets"].elements.first?["id"].string))
                }
                let killer = try #require(assets.last)
                let environment = ["FAULT_POINT": "job-begun", "FAULT_SUBJECT": killer, "IMAGE_SLOTS": "6"]
                var deaths = 0
                var worker = try await stack.start(.mediaWorker, environment: environment, ready: false)
                while deaths < 20, try await stack.unfinishedJobs > 0 {
                    try await eventually("the worker dies, or all is done", within: .seconds(60)) {
                        if worker.hasEnded { return true }
                        return try await stack.unfinishedJobs == 0
                    }
                    guard worker.hasEnded else { break }
                    deaths += 1
                    try await stack.endLeases()
                    worker = try await stack.start(.mediaWorker, environment: environment, ready: false)
                }
                let failed = try await stack.client.json("/v1/assets/\(killer)")
                #expect(failed["status"] == "failed", "\(failed)")
                #expect(failed["error"].string?.contains("stopped the worker every time") == true, "\(failed)")
                for asset in assets.dropLast() {
                    #expect(try await stack.client.settled(asset)["status"] == "ready")
                    #expect(try await stack.job(of: asset).attempt < 5)
                }
                #expect((3...8).contains(deaths), "\(deaths)")
                let lost = try await stack.database.first(
                    Query<Value<Int>>("SELECT sum(lost)::int AS value FROM jobs WHERE state = 'done'")()
                )
                #expect((lost?.value ?? 0) > 0, "nothing ran beside it")
                try await stack.stop(worker)
            }
        }
    }
}
