import Database
import Foundation
import Models
import TestSupport
import Testing

extension Integration {
    /// A directory is taken for a volume only if it is it.
    @Suite struct VolumeGuard {
        @Test("Without its disk a volume's directory is not written to, and every process and the doctor say why")
        func unmounted() async throws {
            try await Suite.with(isSoundAtEnd: false) { suite in
                _ = try await suite.uploadOne(try await suite.quickPhoto("a.jpg", bytes: 20_000))
                try await suite.stop(suite.api)
                let media = suite.directory.appending(path: "media")
                let disk = suite.directory.appending(path: "disk")
                try FileManager.default.moveItem(at: media, to: disk)
                try FileManager.default.createDirectory(at: media, withIntermediateDirectories: true)

                for program in [Program.api, .mediaWorker, .zipWorker] {
                    let running = try await suite.start(program, ready: false)
                    #expect(try await running.waitForEnd() == 1)
                    let log = try String(contentsOf: running.log, encoding: .utf8)
                    #expect(log.contains("\(media.path) has no .tolva-volume"), "\(log)")
                }
                let doctor = await #expect(throws: CommandFailure.self) { try await suite.control("doctor") }
                #expect(doctor != nil)
                for command in [["gc", "--delete"], ["check"]] {
                    let refusal = await #expect(throws: CommandFailure.self) {
                        try await run(Program.control.path.path, command, environment: suite.environment)
                    }
                    #expect(refusal?.description.contains("its disk is not mounted") == true)
                }
                #expect(try FileManager.default.contentsOfDirectory(atPath: media.path).isEmpty)

                try FileManager.default.removeItem(at: media)
                try FileManager.default.moveItem(at: disk, to: media)
                let api = try await suite.start(.api)
                try await suite.stop(api)
                try await suite.control("check")
            }
        }

        @Test("Two volumes mistaken for each other are not opened")
        func mistaken() async throws {
            try await Suite.with { suite in
                let settings = ["VOLUMES": "second=\(suite.directory.appending(path: "media").path)"]
                let mistaken = try await suite.start(.zipWorker, environment: settings, ready: false)
                #expect(try await mistaken.waitForEnd() == 1)
                #expect(try String(contentsOf: mistaken.log, encoding: .utf8).contains("is volume main"))
            }
        }

        @Test("A volume that is added is marked by whoever comes first, and may move")
        func added() async throws {
            try await Suite.with { suite in
                let second = suite.directory.appending(path: "second")
                try FileManager.default.createDirectory(at: second, withIntermediateDirectories: true)
                func settings(_ path: URL) -> [String: String] {
                    ["VOLUMES": "\(suite.environment["VOLUMES"] ?? ""),second=\(path.path)"]
                }
                async let one = suite.start(.zipWorker, environment: settings(second))
                async let other = suite.start(.mediaWorker, environment: settings(second))
                for program in try await [one, other] { try await suite.stop(program) }
                let marker = second.appending(path: ".tolva-volume")
                #expect(try String(contentsOf: marker, encoding: .utf8) == "second\n")

                let moved = suite.directory.appending(path: "moved")
                try FileManager.default.moveItem(at: second, to: moved)
                try await suite.stop(try await suite.start(.zipWorker, environment: settings(moved)))
            }
        }

        @Test("A volume that was used before opens without the database", .enabled(if: PostgresControl.isGiven))
        func withoutDatabase() async throws {
            try await Suite.with { suite in
                try await PostgresControl.away {
                    let worker = try await suite.start(.zipWorker, ready: false)
                    try await suite.eventually("it answers") {
                        (try? await worker.health.send("GET", "/health/live").status) == 200
                    }
                    try await suite.stop(worker)
                }
            }
        }
    }
}
