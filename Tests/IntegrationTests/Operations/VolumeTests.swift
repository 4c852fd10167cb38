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
            try await TestStack.with(isSoundAtEnd: false) { stack in
                _ = try await stack.uploadOne(try await stack.quickPhoto("a.jpg", bytes: 20_000))
                try await stack.stop(stack.api)
                let media = stack.media
                let disk = stack.directory.appending(path: "disk")
                try FileManager.default.moveItem(at: media, to: disk)
                try FileManager.default.createDirectory(at: media, withIntermediateDirectories: true)

                for program in [Program.api, .mediaWorker, .zipWorker] {
                    let running = try await stack.start(program, ready: false)
                    #expect(try await running.waitForEnd() == 1)
                    let log = try running.output
                    #expect(log.contains("\(media.path) has no .tolva-volume"), "\(log)")
                }
                let doctor = await #expect(throws: CommandFailure.self) { try await stack.control("doctor") }
                #expect(doctor?.description.contains("\(media.path) has no .tolva-volume") == true, "\(doctor as Any)")
                for command in [["gc", "--delete"], ["check"]] {
                    let refusal = await #expect(throws: CommandFailure.self) {
                        try await run(Program.control.path.path, command, environment: stack.environment)
                    }
                    #expect(refusal?.description.contains("its disk is not mounted") == true)
                }
                #expect(try FileManager.default.contentsOfDirectory(atPath: media.path).isEmpty)

                try FileManager.default.removeItem(at: media)
                try FileManager.default.moveItem(at: disk, to: media)
                let api = try await stack.start(.api)
                try await stack.stop(api)
                try await stack.control("check")
            }
        }

        @Test("Two volumes mistaken for each other are not opened")
        func mistaken() async throws {
            try await TestStack.with { stack in
                let second = stack.directory.appending(path: "second")
                try FileManager.default.createDirectory(at: second, withIntermediateDirectories: true)
                func settings(_ main: URL, _ other: URL) -> [String: String] {
                    ["VOLUMES": "main=\(main.path),second=\(other.path)"]
                }
                let right = settings(stack.media, second)
                try await stack.stop(try await stack.start(.zipWorker, environment: right))
                let mistaken = settings(second, stack.media)
                for program in [Program.mediaWorker, .zipWorker] {
                    let running = try await stack.start(program, environment: mistaken, ready: false)
                    #expect(try await running.waitForEnd() == 1)
                    let log = try running.output
                    #expect(log.contains("is volume second"), "\(log)")
                }
                try await stack.stop(try await stack.start(.zipWorker, environment: right))
            }
        }

        @Test("A volume that is added is marked by whoever comes first, and may move")
        func added() async throws {
            try await TestStack.with { stack in
                let second = stack.directory.appending(path: "second")
                try FileManager.default.createDirectory(at: second, withIntermediateDirectories: true)
                func settings(_ path: URL) -> [String: String] {
                    ["VOLUMES": "\(stack.environment["VOLUMES"] ?? ""),second=\(path.path)"]
                }
                async let one = stack.start(.zipWorker, environment: settings(second))
                async let other = stack.start(.mediaWorker, environment: settings(second))
                for program in try await [one, other] { try await stack.stop(program) }
                let marker = second.appending(path: ".tolva-volume")
                #expect(try String(contentsOf: marker, encoding: .utf8) == "second\n")

                let moved = stack.directory.appending(path: "moved")
                try FileManager.default.moveItem(at: second, to: moved)
                try await stack.stop(try await stack.start(.zipWorker, environment: settings(moved)))
            }
        }

        @Test("A volume that was used before opens without the database", .controlsPostgres)
        func withoutDatabase() async throws {
            try await TestStack.with { stack in
                try await TestServer.postgres.killed {
                    let worker = try await stack.start(.zipWorker, ready: false)
                    try await eventually("its volume is open") {
                        (try? await worker.health.healthCheck("storage")["status"]) == "ok"
                    }
                    try await stack.stop(worker)
                }
            }
        }
    }
}
