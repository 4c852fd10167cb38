import Database
import Foundation
import Models
import TestSupport
import Testing

extension Integration {
    /// What `tolvactl check` finds, and what `tolvactl gc` removes.
    @Suite struct IntegrityCommands {
        @Test("A working suite has no violation, and its collector nothing to remove")
        func sound() async throws {
            try await TestStack.with(.mediaWorker, .zipWorker) { stack in
                let item = try await stack.client.makeItem()
                let photo = try await Samples(in: stack.directory).photo("a.jpg", bytes: 200_000)
                let asset = try await stack.uploadOne(photo)
                #expect(try await stack.client.settled(asset)["status"] == "ready")
                #expect(try await stack.endedExport(try await stack.requestExport())["status"] == "ready")
                _ = try await ResumableClient(stack).begin(100, name: "b.jpg", item: item)
                #expect(stack.files.count == 5, "\(stack.files)")
                try stack.ageFiles()
                #expect(try await stack.control("check", "--grace", "0", "--sums") == "")
                #expect(try await stack.control("gc", "--delete") == "")
                #expect(stack.files.count == 5)
            }
        }

        @Test("A file that is gone, cut or damaged is named, and so is one without a row")
        func files() async throws {
            try await TestStack.with(.mediaWorker, isSoundAtEnd: false) { stack in
                var originals: [String] = []
                for name in ["gone.jpg", "cut.jpg", "damaged.jpg"] {
                    let asset = try await stack.uploadOne(try await stack.quickPhoto(name, bytes: 50_000))
                    let sha256 = try await stack.client.settled(asset)["sha256"].string ?? ""
                    originals.append(try #require(stack.files.first { $0.hasSuffix(sha256) }))
                }
                try FileManager.default.removeItem(at: stack.media.appending(path: originals[0]))
                try stack.write(originals[1], Data(count: 10))
                try stack.write(originals[2], Data(count: 50_000))
                let stranger = "originals/notes.txt"
                let orphan = "originals/\(UUID().uuidString.lowercased())/ab/ab\(String(repeating: "0", count: 62))"
                for path in [stranger, orphan] { try stack.write(path, Data("?".utf8)) }

                let words = try await TestSupport.run(
                    "sh",
                    ["-c", "\"$0\" check --grace 0 || true", Program.control.path.path],
                    environment: stack.environment
                )
                #expect(words.contains("\(originals[0]) is not there; it had 50000 bytes"), "\(words)")
                #expect(words.contains("\(originals[1]) has 10 of 50000 bytes"), "\(words)")
                let shallow = try await stack.violations("--grace", "0")
                #expect(Set(shallow) == Set(originals[..<2] + [stranger, orphan]))
                #expect(
                    Set(try await stack.violations("--grace", "0", "--sums")) == Set(originals + [stranger, orphan])
                )
                #expect(
                    Set(try await stack.violations()) == Set(originals[..<2] + [stranger]),
                    "young files may get rows"
                )
            }
        }

        @Test("A rendition of another attempt than the one that completed the job is named")
        func stale() async throws {
            try await TestStack.with(.mediaWorker, isSoundAtEnd: false) { stack in
                let asset = try await stack.uploadOne(try await stack.quickPhoto("a.jpg", bytes: 20_000))
                #expect(try await stack.client.settled(asset)["status"] == "ready")
                let path = try #require(stack.files.first { $0.hasSuffix("/1/thumbnail.jpg") })
                #expect(try await stack.violations("--grace", "0") == [])
                let other = path.replacing("/1/", with: "/2/")
                try stack.write(other, try Data(contentsOf: stack.media.appending(path: path)))
                try FileManager.default.removeItem(at: stack.media.appending(path: path))
                _ = try await stack.database.run(
                    Query<NoRow>("UPDATE renditions SET path = $2 WHERE path = $1")(path, other)
                )
                #expect(try await stack.violations("--grace", "0") == [other])
            }
        }

        @Test("A photo about no item, as earlier versions took it, is named")
        func noItem() async throws {
            try await TestStack.with(isSoundAtEnd: false) { stack in
                let asset = try await stack.uploadOne(try await stack.quickPhoto("a.jpg", bytes: 20_000))
                #expect(try await stack.violations("--grace", "0") == [])
                try await stack.run("UPDATE assets SET item_id = NULL")
                #expect(try await stack.violations("--grace", "0") == ["\(asset) an asset (image) without an item"])
            }
        }

        @Test("The collector removes what no row speaks of once it is old, and nothing else")
        func collected() async throws {
            try await TestStack.with(.mediaWorker) { stack in
                let shared = try await stack.quickPhoto("shared.jpg", bytes: 40_000)
                let kept = try await stack.uploadOne(shared)
                let deleted = [
                    try await stack.uploadOne(shared),
                    try await stack.uploadOne(try await stack.quickPhoto("own.jpg", bytes: 30_000)),
                ]
                for asset in [kept] + deleted { #expect(try await stack.client.settled(asset)["status"] == "ready") }
                let before = stack.files
                for asset in deleted { _ = try await stack.client.send("DELETE", "/v1/assets/\(asset)") }
                let leftovers = [
                    "renditions/\(kept.suffix(2))/\(kept)/7/thumbnail.jpg",
                    "spool/jobs/\(UUID().uuidString.lowercased())/3/video.mp4",
                    "spool/uploads/\(UUID().uuidString.lowercased())",
                    "exports/ab/\(UUID().uuidString.lowercased().dropLast(2))ab/1-1.zip",
                ]
                for path in leftovers { try stack.write(path, Data("left".utf8)) }

                #expect(try await stack.control("gc", "--delete") == "", "all is young")
                try stack.ageFiles()
                // The original of the asset that is kept is shared with one that is not.
                let gone = before.filter { path in
                    deleted.contains { path.contains($0) } || path.hasPrefix("originals/")
                }
                let named = try await stack.control("gc")
                #expect(named.split(separator: "\n").count == 4 + 1 + leftovers.count, "\(named)")
                #expect(stack.files.count == before.count + leftovers.count, "a preview removes nothing")
                try await stack.control("gc", "--delete")
                let after = stack.files
                #expect(after.count == 3, "\(after)")
                #expect(after.count { gone.contains($0) } == 1)
                #expect(try await stack.control("check", "--grace", "0", "--sums") == "")
            }
        }

        @Test("Rows whose files are gone are named, and ended only when that is said")
        func lost() async throws {
            try await TestStack.with(.mediaWorker, .zipWorker) { stack in
                var assets: [String] = []
                for name in ["original.jpg", "rendition.jpg", "whole.jpg"] {
                    let photo = try await stack.quickPhoto(name, bytes: 40_000)
                    let asset = try await stack.uploadOne(photo)
                    #expect(try await stack.client.settled(asset)["status"] == "ready")
                    assets.append(asset)
                }
                let export = try await stack.requestExport()
                #expect(try await stack.endedExport(export)["status"] == "ready")
                let upload = try await ResumableClient(stack).begin(10_000)
                let sha256 = try await stack.client.settled(assets[0])["sha256"].string ?? ""
                let gone = stack.files.filter { path in
                    path.hasSuffix(sha256) || assets[..<2].contains { path.contains($0) }
                        || path.hasPrefix("exports/") || path.hasPrefix("spool/uploads/")
                }
                #expect(gone.count == 7, "\(gone)")
                for path in gone { try FileManager.default.removeItem(at: stack.media.appending(path: path)) }

                let named = try await stack.control("gc").split(separator: "\n")
                #expect(named.count == gone.count, "\(named)")
                #expect(gone.allSatisfy { path in named.contains { $0.contains(path) } })
                try await stack.control("gc", "--delete")
                #expect(try await stack.violations("--grace", "0").count == gone.count, "nothing is ended unasked")

                let careful = await #expect(throws: CommandFailure.self) { try await stack.control("gc", "--end-rows") }
                #expect(careful?.description.contains("mounted") == true, "seven of eleven are more than half")
                try await stack.control("gc", "--end-rows", "--force")
                #expect(try await stack.client.send("GET", "/v1/assets/\(assets[0])").status == 404)
                #expect(try await stack.client.settled(assets[1])["status"] == "ready")
                #expect(try await stack.client.settled(assets[1])["renditions"].elements.count == 2)
                #expect(try await stack.client.send("GET", "/v1/exports/\(export)").json["status"] == "expired")
                #expect(try await stack.client.send("GET", upload).status == 404)
                #expect(try await stack.client.send("GET", "/v1/assets/\(assets[2])/content").status == 200)
            }
        }

        @Test("What a killed collector had set aside is put back before anything else")
        func setAside() async throws {
            try await TestStack.with { stack in
                let asset = try await stack.uploadOne(try await stack.quickPhoto("a.jpg", bytes: 20_000))
                let path = try #require(stack.files.first)
                let aside = stack.media.appending(path: "spool/collected/\(path.replacing("/", with: "|"))")
                try FileManager.default.createDirectory(
                    at: aside.deletingLastPathComponent(),
                    withIntermediateDirectories: true
                )
                try FileManager.default.moveItem(at: stack.media.appending(path: path), to: aside)
                #expect(try await stack.client.send("GET", "/v1/assets/\(asset)/content").status != 200)
                try await stack.control("gc", "--delete")
                #expect(stack.files == [path])
                #expect(try await stack.client.send("GET", "/v1/assets/\(asset)/content").status == 200)
            }
        }

        @Test("A photo that is sent again while the collector takes its old file keeps its bytes")
        func sentAgain() async throws {
            try await TestStack.with { stack in
                let photo = try await stack.quickPhoto("a.jpg", bytes: 20_000)
                let item = try await stack.client.makeItem()
                for _ in 1...25 {
                    let answer = try await stack.client.upload([photo], to: item)
                    let asset = try #require(answer.json["assets"].elements.first?["id"].string, "\(answer.json)")
                    _ = try await stack.client.send("DELETE", "/v1/assets/\(asset)")
                    try stack.ageFiles()
                    async let collected: Void = { _ = try await stack.control("gc", "--delete") }()
                    async let again = stack.client.upload([photo], to: item)
                    let kept = try #require(try await again.json["assets"].elements.first?["id"].string)
                    try await collected
                    #expect(try await stack.client.send("GET", "/v1/assets/\(kept)/content").body.count == 20_000)
                    _ = try await stack.client.send("DELETE", "/v1/assets/\(kept)")
                }
            }
        }

        @Test("A row that cannot be is named")
        func rows() async throws {
            let damages: [StaticString] = [
                "DELETE FROM jobs", "DELETE FROM renditions", "UPDATE jobs SET finished_at = NULL",
                "UPDATE jobs SET state = 'failed', reason = ' '", "UPDATE jobs SET fence = fence + 1",
                "UPDATE jobs SET subject_id = gen_random_uuid() WHERE kind = 'zip.part'",
                "UPDATE jobs SET state = 'running', finished_at = NULL, lease_until = now() - interval '61 s'",
                "UPDATE jobs SET state = 'queued', finished_at = NULL, run_after = now() - interval '25 h'",
                "UPDATE exports SET finished_at = NULL", "UPDATE items SET deleted_at = now()",
            ]
            try await TestStack.with { stack in
                let workers = [try await stack.start(.mediaWorker), try await stack.start(.zipWorker)]
                let asset = try await stack.uploadOne(try await stack.quickPhoto("a.jpg", bytes: 20_000))
                #expect(try await stack.client.settled(asset)["status"] == "ready")
                #expect(try await stack.endedExport(try await stack.requestExport())["status"] == "ready")
                // A worker would repair some of it.
                for worker in workers { try await stack.stop(worker) }
                try await stack.run(
                    "CREATE TABLE kept_jobs AS TABLE jobs",
                    "CREATE TABLE kept_renditions AS TABLE renditions"
                )
                for damage in damages {
                    try await stack.run(damage)
                    #expect(try await !stack.violations().isEmpty, "\(damage)")
                    try await stack.run(
                        "UPDATE exports SET finished_at = now()",
                        "UPDATE items SET deleted_at = NULL",
                        "DELETE FROM jobs",
                        "INSERT INTO jobs TABLE kept_jobs",
                        "DELETE FROM renditions",
                        "INSERT INTO renditions TABLE kept_renditions"
                    )
                    #expect(try await stack.violations().isEmpty, "after \(damage)")
                }
            }
        }
    }
}

extension TestStack {
    /// Runs statements in one transaction.
    fileprivate func run(_ statements: StaticString...) async throws {
        _ = try await database.transaction(statements.map { Query<NoRow>($0)() })
    }

    fileprivate func write(_ path: String, _ bytes: Data) throws {
        let file = media.appending(path: path)
        try FileManager.default.createDirectory(
            at: file.deletingLastPathComponent(),
            withIntermediateDirectories: true
        )
        try bytes.write(to: file)
    }

    /// The paths, or the rows, that `tolvactl check` complains of.
    fileprivate func violations(_ arguments: String...) async throws -> [String] {
        let answer = try await TestSupport.run(
            "sh",
            ["-c", "\"$0\" check --json \"$@\" || true", Program.control.path.path] + arguments,
            environment: environment
        )
        let report = try JSONDecoder().decode(JSONValue.self, from: Data(answer.utf8))
        let count = try #require(report["totals"]["violations"].integer, "\(answer)")
        #expect(report["violations"].elements.count == count)
        return report["violations"].elements.map { violation in
            let text = "\(violation["subject"].string ?? "") \(violation["detail"].string ?? "")"
            return text.split(separator: " ").first { $0.hasPrefix("main:") }.map { String($0.dropFirst(5)) }?
                .trimmingSuffix(":") ?? text
        }
    }
}

extension String {
    fileprivate func trimmingSuffix(_ suffix: Character) -> String {
        last == suffix ? String(dropLast()) : self
    }
}
