import Foundation
import Models
import TestSupport
import Testing

extension Integration {
    /// The fault matrix, continued: media workers that are stopped, told to stop or killed in the middle, and clocks that
    /// are wrong.
    @Suite(.countsWrongAnswers) struct FaultMatrixWorkers {
        @Test("A worker that was stopped past its lease changes nothing when it goes on")
        func stopped() async throws {
            try await FaultCell(fault: "Media worker stopped past its lease", few: 1, full: 100).run { suite, round in
                let photo = try await suite.sample("large.jpg", round) {
                    try await $0.photo("large-once.jpg", bytes: 12_000_000)
                }
                // What is announced again goes to the stopped worker as well, if it has a slot for it, and waits there for
                // half a minute: that is met in the first rounds.
                let slots = round > Counts.of(0, full: 2) ? ["IMAGE_SLOTS": "1"] : [:]
                let stopped = try await suite.start(.mediaWorker, environment: slots)
                let asset = try await suite.uploadOne(photo)
                try await suite.client.taken(asset)
                stopped.send(SIGSTOP)
                try await suite.endLeases()
                let began = ContinuousClock.now
                let worker = try await suite.start(.mediaWorker)
                #expect(try await suite.client.settled(asset)["status"] == "ready")
                let took = ContinuousClock.now - began
                let renditions = suite.renditions
                stopped.send(SIGCONT)
                // Every second one is told to stop before it has found out.
                let attempts = try await suite.job(of: asset).fence
                if round.isMultiple(of: 2), attempts > 1 {
                    try await suite.eventually("it gives up") {
                        try String(contentsOf: stopped.log, encoding: .utf8).contains("Job lease lost")
                    }
                }
                try await suite.stop(stopped)
                #expect(suite.renditions == renditions)
                #expect(try await suite.job(of: asset).fence == attempts)
                try await suite.stop(worker)
                _ = try await suite.client.send("DELETE", "/v1/assets/\(asset)")
                return took
            }
        }

        @Test("A worker killed while a film is encoded: another ends it, and no encoder is left")
        func killedInFilm() async throws {
            let cell = FaultCell(fault: "Media worker killed at a random moment in a film", few: 2, full: 50)
            try await cell.run { suite, round in
                let film = try await suite.sample("film.mov", round) { try await $0.film("film-once.mov", seconds: 4) }
                let worker = try await suite.start(.mediaWorker, environment: ["VIDEO_PRESET": "slow"])
                let asset = try await suite.uploadOne(film)
                try await suite.encoderBegins()
                try await Task.sleep(for: Duration.seconds(2).anyMoment)
                worker.send(SIGKILL)
                #expect(try await worker.waitForEnd() == -SIGKILL)
                try await suite.toolsEnd()
                #expect(try await suite.job(of: asset).state == .running)
                try await suite.endLeases()
                let began = ContinuousClock.now
                let other = try await suite.start(.mediaWorker, environment: ["VIDEO_PRESET": "ultrafast"])
                #expect(try await suite.client.settled(asset)["status"] == "ready")
                let took = ContinuousClock.now - began
                #expect(try await suite.job(of: asset).fence == 2)
                try await suite.stop(other)
                _ = try await suite.client.send("DELETE", "/v1/assets/\(asset)")
                return took
            }
        }

        @Test("What a killed worker leaves of a film that is deleted then goes with the next collection")
        func killedAndDeleted() async throws {
            let cell = FaultCell(fault: "Media worker killed in a film that is then deleted", few: 1, full: 20)
            try await cell.run { suite, round in
                let film = try await suite.sample("film.mov", round) { try await $0.film("film-once.mov", seconds: 4) }
                let worker = try await suite.start(.mediaWorker, environment: ["VIDEO_PRESET": "slow"])
                let asset = try await suite.uploadOne(film)
                try await suite.eventually("the encoder writes") { !suite.spooled.isEmpty }
                worker.send(SIGKILL)
                #expect(try await worker.waitForEnd() == -SIGKILL)
                try await suite.toolsEnd()
                #expect(!suite.spooled.isEmpty)
                #expect(try await suite.client.send("DELETE", "/v1/assets/\(asset)").status == 204)
                try await suite.endLeases()
                let began = ContinuousClock.now
                let other = try await suite.start(.mediaWorker)
                try await suite.eventually("its job ends") { try await suite.job(of: asset).state == .done }
                try suite.ageFiles()
                try await suite.control("gc", "--delete")
                let took = ContinuousClock.now - began
                #expect(suite.spooled.isEmpty, "\(suite.spooled)")
                try await suite.stop(other)
                return took
            }
        }

        @Test("A worker told to stop in a film hands it back at once and uncharged, or has finished it")
        func toldToStop() async throws {
            try await FaultCell(fault: "Media worker told to stop in a film", few: 1, full: 50).run { suite, round in
                let film = try await suite.sample("film.mov", round) { try await $0.film("film-once.mov", seconds: 4) }
                let worker = try await suite.start(.mediaWorker, environment: ["VIDEO_PRESET": "slow"])
                let asset = try await suite.uploadOne(film)
                try await suite.encoderBegins()
                try await Task.sleep(for: Duration.seconds(2).anyMoment)
                let began = ContinuousClock.now
                try await suite.stop(worker)
                let took = ContinuousClock.now - began
                #expect(took < .seconds(5))
                let job = try await suite.job(of: asset)
                #expect(job.state == .done || (job.state == .queued && job.attempt == 0), "\(job)")
                try await suite.toolsEnd()
                #expect(suite.spooled.isEmpty, "\(suite.spooled)")
                let other = try await suite.start(.mediaWorker, environment: ["VIDEO_PRESET": "ultrafast"])
                #expect(try await suite.client.settled(asset)["status"] == "ready")
                try await suite.stop(other)
                _ = try await suite.client.send("DELETE", "/v1/assets/\(asset)")
                return took
            }
        }

        @Test("Clocks that are an hour wrong: no lease is stolen, nothing ends early", .enabled(if: Clock.isPossible))
        func clocks() async throws {
            try await FaultCell(fault: "Clock an hour wrong", few: 2, full: 20).run { suite, round in
                let wrong = Clock.environment(round % 2 == 0 ? "+1h" : "-1h")
                let api = try await suite.start(
                    .api,
                    environment: wrong.merging(["HTTP_PORT": "\(try freePort())"]) { $1 }
                )
                let workers = [
                    try await suite.start(.mediaWorker, environment: wrong), try await suite.start(.mediaWorker),
                    try await suite.start(.zipWorker, environment: wrong),
                ]
                let photo = try await suite.sample("one.jpg", round) {
                    try await $0.photo("one-once.jpg", bytes: 3_000_000)
                }
                let asset = try await suite.uploadOne(photo)
                let began = ContinuousClock.now
                #expect(try await suite.client.settled(asset)["status"] == "ready")
                let took = ContinuousClock.now - began
                let export = try await suite.requestExport()
                #expect(try await suite.endedExport(export)["status"] == "ready")
                #expect(try await suite.job(of: asset).attempt == 1)
                try await suite.control("gc", "--delete", environment: wrong)
                try await suite.control("check", "--grace", "0", environment: wrong)
                for program in workers + [api] { try await suite.stop(program) }
                return took
            }
        }
    }
}

extension TestSupport.Suite {
    /// A photo or a film that is made once and sent every round as another: its digest is the round's.
    fileprivate func sample(_ name: String, _ round: Int, _ make: (Samples) async throws -> URL) async throws -> URL {
        let once = directory.appending(path: "once-\(name)")
        if round == 1 { try FileManager.default.moveItem(at: try await make(Samples(in: directory)), to: once) }
        // To a film it is a box of nothing; after the end of a picture nobody looks.
        let mark = Data([0, 0, 0, 16]) + Data("free".utf8) + Data(String(format: "%08d", round).utf8)
        return try file(name, try Data(contentsOf: once) + mark)
    }

    fileprivate func encoderBegins() async throws {
        try await eventually("a film is encoded") {
            tools.contains { $0.first?.hasSuffix("ffmpeg") == true && $0.contains("libx264") }
        }
    }

    fileprivate var renditions: [String] { files.filter { $0.hasPrefix("renditions/") } }
}
