import Database
import Foundation
import Models
import TestSupport
import Testing

extension Integration {
    /// Whatever is killed in between, what was acknowledged ends ready.
    @Suite struct Recovery {
        @Test(
            "Uploads go on while the broker is away, and are processed when it is back",
            .controlsBroker
        )
        func brokerStopped() async throws {
            try await TestStack.with(.mediaWorker) { stack in
                let item = try await stack.client.makeItem()
                let samples = Samples(in: stack.directory)
                var assets: [String] = []
                try await TestServer.broker.stopped {
                    for number in 1...3 {
                        let answer = try await stack.client.upload(
                            [try await samples.photo("\(number).jpg", bytes: 100_000 + number)],
                            to: item
                        )
                        #expect(answer.status == 201)
                        assets += answer.json["assets"].elements.compactMap { $0["id"].string }
                    }
                    let health = try await stack.client.send("GET", "/health/ready")
                    #expect(health.status == 200)
                    #expect(health.json["status"] == "degraded")
                }
                #expect(assets.count == 3)
                for asset in assets {
                    #expect(try await stack.client.settled(asset, within: .seconds(90))["status"] == "ready")
                }
            }
        }

        @Test("A worker killed in the middle of a photo and a video: their leases end, and another makes both ready")
        func killed() async throws {
            try await TestStack.with { stack in
                let samples = Samples(in: stack.directory)
                // The video takes longer, so it is begun first.
                let files = [
                    try await samples.video(seconds: 12), try await samples.photo("large.jpg", bytes: 40_000_000),
                ]
                let worker = try await stack.start(.mediaWorker)
                var assets: [String] = []
                for file in files {
                    assets.append(try await stack.uploadOne(file))
                    try await stack.client.taken(assets[assets.count - 1])
                }
                try await worker.killed()
                for asset in assets {
                    #expect(try await stack.client.json("/v1/assets/\(asset)")["status"] == "processing")
                }
                let second = try await stack.start(.mediaWorker)
                for asset in assets {
                    // A lease is a minute.
                    let ready = try await stack.client.settled(asset, within: .seconds(150))
                    #expect(ready["status"] == "ready", "\(ready)")
                    let job = try await stack.job(of: asset)
                    #expect(job.attempt == 2)
                    #expect(job.fence == 2)
                }
                try await stack.stop(second)
                // The killed attempt's files are gone: two originals and two renditions of each are all there is.
                #expect(stack.files.count == 6, "\(stack.files)")
            }
        }

        @Test("A worker told to stop hands its video back at once, without charging the attempt")
        func handedBack() async throws {
            try await TestStack.with { stack in
                let worker = try await stack.start(.mediaWorker)
                let asset = try await stack.uploadOne(try await Samples(in: stack.directory).video(seconds: 20))
                try await stack.client.taken(asset)
                let began = ContinuousClock.now
                try await stack.stop(worker)
                #expect(ContinuousClock.now - began < .seconds(5))
                #expect(try await stack.job(of: asset).state == .queued)
                #expect(try await stack.job(of: asset).attempt == 0)
                #expect(stack.files.count == 1, "\(stack.files)")
                let second = try await stack.start(.mediaWorker)
                #expect(try await stack.client.settled(asset, within: .seconds(120))["status"] == "ready")
                try await stack.stop(second)
            }
        }
    }
}
