import Foundation
import Models
import TestSupport
import Testing

extension Integration.FaultMatrix {
    /// Media workers that are stopped, told to stop or killed in the middle, and clocks that are wrong.
    @Suite(.countsWrongAnswers) struct WorkerFaults {
        @Test("A worker that was stopped past its lease changes nothing when it goes on")
        func stopped() async throws {
            try await FaultScenario("Media worker stopped past its lease", few: 2, full: 100).run { stack, round in
                let photo = try await stack.sample("large.jpg", round) {
                    try await $0.photo("large-once.jpg", bytes: 12_000_000)
                }
                // The last time at any moment.
                let point = ["rendition-made", "job-claimed", "rendition-placed", "job-worked", nil][(round - 1) % 5]
                var environment = point.map { ["FAULT_POINT": $0, "FAULT_SIGNAL": "STOP"] } ?? [:]
                // What is announced again goes to the stopped worker as well, if it has a slot for it, and waits there for
                // half a minute: that is met in the first rounds.
                if round > Counts.of(0, full: 2) { environment["IMAGE_SLOTS"] = "1" }
                let stopped = try await stack.start(.mediaWorker, environment: environment)
                let asset = try await stack.uploadOne(photo)
                if point == nil {
                    try await stack.client.taken(asset)
                    stopped.send(SIGSTOP)
                }
                try await stopped.standsStill()
                try await stack.endLeases()
                let began = ContinuousClock.now
                let worker = try await stack.start(.mediaWorker)
                #expect(try await stack.client.settled(asset)["status"] == "ready")
                let took = ContinuousClock.now - began
                let renditions = stack.renditions
                let attempts = try await stack.job(of: asset).fence
                #expect(attempts == 2 || point == nil)
                stopped.send(SIGCONT)
                // Every second one is told to stop before it has found out.
                if round.isMultiple(of: 2), attempts > 1 {
                    try await eventually("it gives up") { try stopped.output.contains("Job lease lost") }
                }
                try await stack.stop(stopped)
                #expect(stack.renditions == renditions)
                #expect(try await stack.job(of: asset).fence == attempts)
                try await stack.stop(worker)
                _ = try await stack.client.send("DELETE", "/v1/assets/\(asset)")
                return took
            }
        }

        @Test("A worker killed while a video is encoded: another ends it, and no encoder is left")
        func killedInVideo() async throws {
            let fault = "Media worker killed at a random moment in a video"
            try await inVideo(fault, few: 2, full: 50) { stack, worker, asset in
                try await stack.encoderBegins()
                try await Task.sleep(for: Duration.seconds(2).anyMoment)
                try await worker.killed()
                try await stack.toolsEnd()
                #expect(try await stack.job(of: asset).state == .running)
                try await stack.endLeases()
                let took = try await stack.endVideo(asset)
                #expect(try await stack.job(of: asset).fence == 2)
                return took
            }
        }

        @Test("A worker told to stop in a video hands it back at once and uncharged, or has finished it")
        func toldToStop() async throws {
            try await inVideo("Media worker told to stop in a video", few: 1, full: 50) { stack, worker, asset in
                try await stack.encoderBegins()
                try await Task.sleep(for: Duration.seconds(2).anyMoment)
                let began = ContinuousClock.now
                try await stack.stop(worker)
                let took = ContinuousClock.now - began
                #expect(took < .seconds(5))
                let job = try await stack.job(of: asset)
                #expect(job.state == .done || (job.state == .queued && job.attempt == 0), "\(job)")
                try await stack.toolsEnd()
                #expect(stack.spooled.isEmpty, "\(stack.spooled)")
                _ = try await stack.endVideo(asset)
                return took
            }
        }

        @Test("What a killed worker leaves of a video that is deleted then goes with the next collection")
        func killedAndDeleted() async throws {
            let fault = "Media worker killed in a video that is then deleted"
            try await inVideo(fault, few: 1, full: 20) { stack, worker, asset in
                try await eventually("the encoder writes") { !stack.spooled.isEmpty }
                try await worker.killed()
                try await stack.toolsEnd()
                #expect(!stack.spooled.isEmpty)
                #expect(try await stack.client.send("DELETE", "/v1/assets/\(asset)").status == 204)
                try await stack.endLeases()
                let began = ContinuousClock.now
                let other = try await stack.start(.mediaWorker)
                try await eventually("its job ends") { try await stack.job(of: asset).state == .done }
                try stack.ageFiles()
                try await stack.control("gc", "--delete")
                let took = ContinuousClock.now - began
                #expect(stack.spooled.isEmpty, "\(stack.spooled)")
                try await stack.stop(other)
                return took
            }
        }

        /// Lets a worker begin with a video, slowly, and has the body do something to it; the video is deleted afterwards.
        private func inVideo(
            _ fault: String,
            few: Int,
            full: Int,
            _ meet: (TestStack, RunningProgram, String) async throws -> Duration
        ) async throws {
            try await FaultScenario(fault, few: few, full: full).run { stack, round in
                let video = try await stack.sample("video.mov", round) {
                    try await $0.video("video-once.mov", seconds: 4)
                }
                let worker = try await stack.start(.mediaWorker, environment: ["VIDEO_PRESET": "slow"])
                let asset = try await stack.uploadOne(video)
                let took = try await meet(stack, worker, asset)
                _ = try await stack.client.send("DELETE", "/v1/assets/\(asset)")
                return took
            }
        }

        @Test("Clocks that are an hour wrong: no lease is stolen, nothing ends early", .setsClocks)
        func clocks() async throws {
            try await FaultScenario("Clock an hour wrong", few: 2, full: 20).run { stack, round in
                let wrong = WrongClock.environment(round % 2 == 0 ? "+1h" : "-1h")
                let api = try await stack.startAnotherAPI(environment: wrong)
                let workers = [
                    try await stack.start(.mediaWorker, environment: wrong), try await stack.start(.mediaWorker),
                    try await stack.start(.zipWorker, environment: wrong),
                ]
                let photo = try await stack.sample("one.jpg", round) {
                    try await $0.photo("one-once.jpg", bytes: 3_000_000)
                }
                let asset = try await stack.uploadOne(photo)
                let began = ContinuousClock.now
                #expect(try await stack.client.settled(asset)["status"] == "ready")
                let took = ContinuousClock.now - began
                let export = try await stack.requestExport()
                #expect(try await stack.endedExport(export)["status"] == "ready")
                #expect(try await stack.job(of: asset).attempt == 1)
                try await stack.control("gc", "--delete", environment: wrong)
                try await stack.control("check", "--grace", "0", environment: wrong)
                for program in workers + [api] { try await stack.stop(program) }
                return took
            }
        }
    }
}

extension TestStack {
    /// A photo or a video that is made once and sent every round as another: its digest is the round's.
    fileprivate func sample(_ name: String, _ round: Int, _ make: (Samples) async throws -> URL) async throws -> URL {
        let once = directory.appending(path: "once-\(name)")
        if round == 1 { try FileManager.default.moveItem(at: try await make(Samples(in: directory)), to: once) }
        // To a video it is a box of nothing; after the end of a picture nobody looks.
        let mark = Data([0, 0, 0, 16]) + Data("free".utf8) + Data(String(format: "%08d", round).utf8)
        return try file(name, try Data(contentsOf: once) + mark)
    }

    fileprivate func encoderBegins() async throws {
        try await eventually("a video is encoded") {
            tools.contains { $0.first?.hasSuffix("ffmpeg") == true && $0.contains("libx264") }
        }
    }

    /// Lets another worker end a video, and gives how long it took.
    fileprivate func endVideo(_ asset: String) async throws -> Duration {
        let began = ContinuousClock.now
        let worker = try await start(.mediaWorker, environment: ["VIDEO_PRESET": "ultrafast"])
        #expect(try await client.settled(asset)["status"] == "ready")
        let took = ContinuousClock.now - began
        try await stop(worker)
        return took
    }
}
