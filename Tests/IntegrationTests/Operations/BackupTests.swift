import Database
import Foundation
import Models
import TestSupport
import Testing

@testable import Jobs

extension Integration {
    /// What `deploy/backup` promises.
    @Suite struct Backup {
        @Test("A suite that is backed up while it works is whole again on another machine, and goes on")
        func roundTrip() async throws {
            try await TestStack.with { stack in
                let backups = stack.directory.appending(path: "backups").path
                let mediaWorker = try await stack.start(.mediaWorker)
                let zipWorker = try await stack.start(.zipWorker)
                var kept: [Senders.Acknowledged] = []
                var latest = ""
                var exports: [String] = []
                let begun = try await ResumableClient(stack).begin(100_000)
                try await Senders.with(stack, people: 2) { senders in
                    try await senders.waitForMore(6)
                    exports.append(try await stack.requestExport())
                    _ = try await stack.endedExport(exports[0])
                    let first = try await BackupScripts.run("backup", backups, environment: stack.environment)
                    // What is done is forgotten, as after a month; from here on photos wait.
                    try await stack.stop(mediaWorker)
                    _ = try await stack.database.run(JobStatements.forget(0.0))
                    let forgotten = Query<Value<Int>>(
                        """
                        SELECT count(*) AS value FROM assets a WHERE kind = 'image' AND processed_at IS NOT NULL
                           AND NOT EXISTS (SELECT FROM jobs j WHERE j.subject_id = a.id)
                        """
                    )
                    #expect(try await stack.database.first(forgotten())?.value ?? 0 > 0)
                    try await senders.waitForMore(6)
                    exports.append(try await stack.requestExport())
                    kept = await senders.acknowledged
                    latest = try await BackupScripts.run("backup", backups, environment: stack.environment)
                    try await senders.waitForMore(2)
                    try FileManager.default.removeItem(atPath: first)
                }
                try await BackupScripts.run("verify", latest, environment: stack.environment)
                for program in [zipWorker, stack.api] { try await stack.stop(program) }
                try MessagingFixture().deleteQueues()

                try await RestoredStack.with(stack) { restored in
                    try await BackupScripts.run("restore", latest, environment: restored.environment)
                    try await restored.control("migrate")
                    try await restored.control("check", "--sums", "--grace", "0")
                    try await restored.run { client in
                        for upload in kept {
                            let ready = try await client.settled(upload.asset)
                            #expect(ready["status"] == "ready", "\(ready)")
                            #expect(ready["sha256"].string == upload.sha256)
                        }
                        try await eventually("both exports are ready") {
                            for export in exports {
                                let json = try await client.send("GET", "/v1/exports/\(export)").json
                                guard json["status"] == "ready" else { return false }
                            }
                            return true
                        }
                        // What was under way is to be begun anew, and no old sign-in lives again.
                        let head = try await client.send("HEAD", begun, headers: [ResumableClient.tus])
                        #expect(head.status == 404)
                        let old = Client(base: client.base, token: stack.client.token)
                        #expect(try await old.send("GET", "/v1/items").status == 401)
                        let photo = try await stack.quickPhoto("new.jpg", bytes: 40_000)
                        let answer = try await client.upload([photo], to: try await client.makeItem())
                        let asset = try #require(answer.json["assets"].elements.first?["id"].string)
                        #expect(try await client.settled(asset)["status"] == "ready")
                    }
                    try await restored.control("check", "--sums", "--grace", "0")
                }
            }
        }

        @Test("A client that is older than the server is refused in words, before anything is written")
        func oldClient() async throws {
            try await TestStack.with { stack in
                let tools = stack.directory.appending(path: "old-client")
                try FileManager.default.createDirectory(at: tools, withIntermediateDirectories: true)
                let dump = tools.appending(path: "pg_dump")
                try Data("#!/bin/sh\necho 'pg_dump (PostgreSQL) 9.6.24'\n".utf8).write(to: dump)
                try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: dump.path)
                let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"
                let environment = stack.environment.merging(["PATH": "\(tools.path):\(path)"]) { $1 }
                let backups = stack.directory.appending(path: "backups")
                let refusal = await #expect(throws: CommandFailure.self) {
                    try await BackupScripts.run("backup", backups.path, environment: environment)
                }
                #expect(
                    refusal?.description.contains("pg_dump is of PostgreSQL 9 and the server of") == true,
                    "\(refusal as Any)"
                )
                #expect(
                    try FileManager.default.contentsOfDirectory(atPath: backups.path + "/unfinished/volumes").isEmpty
                )
            }
        }

        @Test("What an earlier backup has takes no room again, and a cut or interrupted copy is made whole")
        func incremental() async throws {
            try await TestStack.with { stack in
                let backups = stack.directory.appending(path: "backups")
                let environment = stack.environment.merging(["KEEP": "2"]) { $1 }
                _ = try await stack.uploadOne(try await stack.quickPhoto("a.jpg", bytes: 50_000))
                let path = try #require(stack.files.first)
                func back() async throws -> URL {
                    URL(filePath: try await BackupScripts.run("backup", backups.path, environment: environment))
                }
                let first = try await back()
                let second = try await back()
                #expect(try second.appending(path: "volumes/main/\(path)").links == 2)

                // As a killed backup leaves it: a file that is cut, and one no row speaks of any more.
                let unfinished = backups.appending(path: "unfinished/volumes/main")
                let cut = unfinished.appending(path: path)
                try FileManager.default.createDirectory(
                    at: cut.deletingLastPathComponent(),
                    withIntermediateDirectories: true
                )
                try Data(count: 1000).write(to: cut)
                try Data(count: 1000).write(to: unfinished.appending(path: "gone"))
                let third = try await back()
                try await BackupScripts.run("verify", third.path, environment: environment)
                #expect(!FileManager.default.fileExists(atPath: third.appending(path: "volumes/main/gone").path))
                #expect(!FileManager.default.fileExists(atPath: first.path))
                #expect(FileManager.default.fileExists(atPath: second.path))
            }
        }

        @Test("A restore goes into nothing that is in use, and an interrupted one goes on")
        func refusals() async throws {
            try await TestStack.with { stack in
                let backups = stack.directory.appending(path: "backups").path
                _ = try await stack.uploadOne(try await stack.quickPhoto("a.jpg", bytes: 50_000))
                let path = try #require(stack.files.first)
                let backup = try await BackupScripts.run("backup", backups, environment: stack.environment)
                let refused = await #expect(throws: CommandFailure.self) {
                    try await BackupScripts.run("restore", backup, environment: stack.environment)
                }
                #expect(refused?.description.contains("database is not empty") == true)

                try await RestoredStack.with(stack) { restored in
                    let file = restored.media.appending(path: path)
                    try FileManager.default.createDirectory(
                        at: file.deletingLastPathComponent(),
                        withIntermediateDirectories: true
                    )
                    try Data(count: 1000).write(to: file)
                    let occupied = await #expect(throws: CommandFailure.self) {
                        try await BackupScripts.run("restore", backup, environment: restored.environment)
                    }
                    #expect(occupied?.description.contains("is not empty") == true)
                    // As an interrupted restore leaves it.
                    let marker = restored.media.appending(path: ".restoring")
                    try Data("\(URL(filePath: backup).lastPathComponent)\n".utf8).write(to: marker)
                    try await BackupScripts.run("restore", backup, environment: restored.environment)
                    try await restored.control("check", "--sums")
                    #expect(!FileManager.default.fileExists(atPath: marker.path))
                }
            }
        }

        @Test("With the volumes still there, only the database is brought back")
        func keptFiles() async throws {
            try await TestStack.with(.mediaWorker) { stack in
                let backups = stack.directory.appending(path: "backups").path
                let asset = try await stack.uploadOne(try await stack.quickPhoto("a.jpg", bytes: 50_000))
                let backup = try await BackupScripts.run("backup", backups, environment: stack.environment)
                _ = try await stack.client.settled(asset)
                try await withDatabase { settings in
                    let environment = stack.environment.merging(["DATABASE_URL": settings.url]) { $1 }
                    let files = stack.files
                    try await BackupScripts.run("restore", "--keep-files", backup, environment: environment)
                    #expect(stack.files == files)
                    let jobs = try await stack.control("jobs", "show", asset, "--json", environment: environment)
                    #expect(jobs.contains(asset), "\(jobs)")
                    // The renditions of the later attempt have no row, and the collector's time is not yet.
                    try await stack.control("check", "--sums", environment: environment)
                }
            }
        }

        @Test("A backup of files that are not as the database says ends in an error, and makes none")
        func damaged() async throws {
            try await TestStack.with(isSoundAtEnd: false) { stack in
                let backups = stack.directory.appending(path: "backups")
                _ = try await stack.uploadOne(try await stack.quickPhoto("a.jpg", bytes: 50_000))
                let path = try #require(stack.files.first)
                let file = try FileHandle(forWritingTo: stack.media.appending(path: path))
                try file.truncate(atOffset: 10)
                try file.close()
                let failure = await #expect(throws: CommandFailure.self) {
                    try await BackupScripts.run("backup", backups.path, environment: stack.environment)
                }
                #expect(failure?.description.contains(path) == true, "\(String(describing: failure))")
                let made = try FileManager.default.contentsOfDirectory(atPath: backups.path)
                #expect(Set(made) == ["unfinished", "lock"])
            }
        }
    }
}

extension URL {
    /// How many names the file has.
    fileprivate var links: Int {
        get throws {
            let attributes = try FileManager.default.attributesOfItem(atPath: path)
            return (attributes[.referenceCount] as? NSNumber)?.intValue ?? 0
        }
    }
}
