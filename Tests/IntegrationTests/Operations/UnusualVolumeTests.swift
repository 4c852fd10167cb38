import Database
import Foundation
import Models
import TestSupport
import Testing

extension Integration {
    /// File systems that look like any other and are not.
    @Suite struct UnusualVolumes {
        @Test(
            "On a pool of disks that links and moves only within a directory everything works as on a disk",
            .poolsVolumes
        )
        func pool() async throws {
            try await MountedVolume.withPool("main") { volume in
                let settings = ["VOLUMES": volume.setting, "VOLUME_RESERVE_BYTES": "1MiB"]
                try await TestStack.with(.mediaWorker, .zipWorker, environment: settings) { stack in
                    let doctor = try await stack.control("doctor")
                    #expect(doctor.contains("links only within a directory"), "\(doctor)")
                    let item = try await stack.client.makeItem()
                    let photo = try await stack.quickPhoto("a.jpg", bytes: 3_000_000)
                    let answer = try await stack.client.upload([photo], to: item)
                    #expect(answer.status == 201, "\(answer.json)")
                    let asset = try #require(answer.json["assets"].elements.first?["id"].string)
                    #expect(try await stack.client.settled(asset)["status"] == "ready")
                    let content = try await stack.client.send("GET", "/v1/assets/\(asset)/content")
                    #expect(content.body == (try Data(contentsOf: photo)))
                    // The same bytes elsewhere are there already.
                    let other = try await stack.client.makeItem()
                    #expect(try await stack.client.upload([photo], to: other).status == 201)
                    #expect(volume.files.count { $0.hasPrefix("originals/") } == 1)

                    let resumable = try await stack.quickPhoto("b.jpg", bytes: 200_000)
                    let bytes = try Data(contentsOf: resumable)
                    let begun = try await ResumableClient(stack).begin(bytes.count, name: "b.jpg", item: item)
                    try await ResumableClient(stack).finish(bytes, begun)
                    try await stack.settleAll()
                    #expect(volume.files.count { $0.hasPrefix("originals/") } == 2)

                    let export = try await stack.requestExport()
                    #expect(try await stack.endedExport(export)["status"] == "ready")
                    try await run("unzip", "-tqq", try await stack.download(export, part: 1).path)
                    #expect(volume.files.allSatisfy { !$0.hasSuffix(".upload") }, "\(volume.files)")

                    let deleted = try await stack.client.send("DELETE", "/v1/exports/\(export)")
                    #expect(deleted.status == 204)
                    for asset in try await stack.client.json("/v1/assets")["assets"].elements {
                        let path = "/v1/assets/\(asset["id"].string ?? "")"
                        #expect(try await stack.client.send("DELETE", path).status == 204)
                    }
                    try stack.ageFiles()
                    try await stack.control("gc", "--delete")
                    #expect(volume.files.isEmpty, "\(volume.files)")
                }
            }
        }

        @Test(
            "What a killed collector had set aside on a pool is put back, and what it had removed stays removed",
            .poolsVolumes
        )
        func collectorKilled() async throws {
            try await MountedVolume.withPool("main") { volume in
                let settings = ["VOLUMES": volume.setting, "VOLUME_RESERVE_BYTES": "1MiB"]
                try await TestStack.with(environment: settings) { stack in
                    let removed = try await stack.uploadOne(try await stack.quickPhoto("b.jpg", bytes: 30_000))
                    #expect(try await stack.client.send("DELETE", "/v1/assets/\(removed)").status == 204)
                    try stack.ageFiles()
                    try #require(volume.files.count == 1)
                    await #expect(throws: CommandFailure.self) {
                        try await stack.control("gc", "--delete", environment: ["FAULT_POINT": "collector-removed"])
                    }
                    #expect(volume.files.isEmpty, "\(volume.files)")
                    try await stack.control("gc", "--delete")
                    #expect(volume.files.isEmpty, "it was put back: \(volume.files)")

                    let photo = try await stack.quickPhoto("a.jpg", bytes: 20_000)
                    let asset = try await stack.uploadOne(photo)
                    #expect(try await stack.client.send("DELETE", "/v1/assets/\(asset)").status == 204)
                    try stack.ageFiles()
                    let before = volume.files
                    try #require(before.count == 1)
                    await #expect(throws: CommandFailure.self) {
                        try await stack.control("gc", "--delete", environment: ["FAULT_POINT": "collector-aside"])
                    }
                    #expect(volume.files != before)
                    // Somebody sends the same bytes again: their row must have its file.
                    let again = try await stack.uploadOne(photo)
                    let content = try await stack.client.send("GET", "/v1/assets/\(again)/content")
                    #expect(content.status == 200)
                    try await stack.control("gc", "--delete")
                    #expect(volume.files == before)
                }
            }
        }

        @Test("A volume in memory is said by the doctor and in the log of every process")
        func memory() async throws {
            let root = URL(filePath: "/dev/shm/tolva-\(UUID())")
            try FileManager.default.createDirectory(at: root, withIntermediateDirectories: true)
            defer { try? FileManager.default.removeItem(at: root) }
            let settings = ["VOLUMES": "main=\(root.path)", "VOLUME_RESERVE_BYTES": "1MiB"]
            try await TestStack.with(environment: settings) { stack in
                let workers = [try await stack.start(.mediaWorker), try await stack.start(.zipWorker)]
                for process in [stack.api] + workers {
                    let log = try process.output
                    #expect(log.contains("volume is in memory"), "\(process.log.lastPathComponent)")
                }
                let doctor = try await stack.control("doctor")
                #expect(doctor.contains("\(root.path) is in memory: nothing is on stable storage"), "\(doctor)")
                for worker in workers { try await stack.stop(worker) }
            }
            try await TestStack.with { stack in
                let doctor = try await stack.control("doctor")
                #expect(!doctor.contains("is in memory"))
            }
        }
    }
}
