import Database
import Foundation
import Models
import Synchronization
import TestSupport
import Testing

@testable import Messaging

extension Integration {
    /// From a click to ZIPs that every reader opens.
    @Suite struct Exports {
        @Test("69 items with photos, a video and procedures become two parts that every reader opens")
        func twoParts() async throws {
            try await TestStack.with(.mediaWorker, .zipWorker) { stack in
                var sums: Set<String> = []
                let video = try await Samples(in: stack.directory).video(seconds: 1, size: "320x240")
                for number in 1...69 {
                    let item = try await stack.client.makeItem(code: String(format: "EQ-%03d", number))
                    var files = [try await stack.quickPhoto("niño \(number) #1.jpg", bytes: 60_000 + number * 977)]
                    if number % 10 == 0 { files.append(try await stack.quickPhoto("small.jpg", bytes: 4096)) }
                    if number == 40 { files.append(video) }
                    #expect(try await stack.client.upload(files, to: item).status == 201)
                    for file in files { sums.insert(try await sha256(of: file)) }
                }
                let procedures = try await stack.uploadProcedures()
                let export = try await stack.endedExport(try await stack.requestExport(["language": "es"]))
                #expect(export["status"] == "ready", "\(export)")
                #expect(export["items_total"].integer == 69)
                #expect(export["items_done"].integer == 69)
                #expect(export["parts"].elements.map { $0["items"].integer } == [35, 34])

                var found: Set<String> = []
                for part in 1...2 {
                    let archive = try await stack.download(export["id"].string ?? "", part: part)
                    try await expectReadable(archive)
                    let directory = try await stack.extract(archive)
                    let manifest = try manifest(in: directory)
                    #expect(manifest["part"].integer == part)
                    #expect(manifest["parts"].integer == 2)
                    #expect(manifest["items"].elements.count == [35, 34][part - 1])
                    for entry in manifest["entries"].elements {
                        let file = directory.appending(path: entry["name"].string ?? "")
                        let sum = try await sha256(of: file)
                        #expect(sum == entry["sha256"].string, "\(entry)")
                        if entry["asset_id"].string != nil { found.insert(sum) }
                    }
                    #expect(procedures.isSubset(of: found), "the procedures are in every part")
                    try await expectWorkbook(
                        in: directory,
                        items: [35, 34][part - 1],
                        code: ["EQ-001", "EQ-036"][part - 1]
                    )
                }
                #expect(found == sums.union(procedures))
                #expect(stack.archives.count == 2)
                #expect(stack.spooled.isEmpty)
            }
        }

        @Test("An item with more files than a part holds is in several, which say so and unpack into one place")
        func severalParts() async throws {
            try await TestStack.with(.zipWorker, environment: ["EXPORT_FILES_PER_PART": "3"]) { stack in
                var sums: Set<String> = []
                for (code, count) in [("EQ-1", 2), ("EQ-2", 7), ("EQ-3", 0), ("EQ-4", 1)] {
                    let item = try await stack.client.makeItem(code: code)
                    for number in 0..<count {
                        // All of one name: what is unpacked must not overwrite what is there.
                        let photo = try await stack.quickPhoto("same.jpg", bytes: 5000 + sums.count)
                        sums.insert(try await sha256(of: photo))
                        #expect(try await stack.client.upload([photo], to: item).status == 201, "\(number)")
                    }
                }
                let export = try await stack.endedExport(try await stack.requestExport(["language": "es"]))
                #expect(export["status"] == "ready", "\(export)")
                #expect(export["items_total"].integer == 4)
                #expect(export["items_done"].integer == 4)
                #expect(export["parts"].elements.map { $0["items"].integer } == [2, 1, 2, 1])
                let continues = export["parts"].elements.map { $0["continues"] == .bool(true) }
                #expect(continues == [true, true, false, false])

                let everything = stack.directory.appending(path: "everything")
                var files = 0
                for part in 1...4 {
                    let archive = try await stack.download(export["id"].string ?? "", part: part)
                    try await expectReadable(archive)
                    let directory = try await stack.extract(archive)
                    let manifest = try manifest(in: directory)
                    files += manifest["entries"].elements.count { $0["asset_id"].string != nil }
                    let item = try #require(
                        manifest["items"].elements.first { $0["code"].string == "EQ-2" || part == 4 }
                    )
                    #expect(item["continued_from"].integer == [nil, 1, 2, nil][part - 1])
                    #expect(item["continues_in"].integer == [2, 3, nil, nil][part - 1])
                    let folders = ["EQ-2 A thing", "EQ-2 A thing (parte 2)", "EQ-2 A thing (parte 3)", "EQ-4 A thing"]
                    #expect(item["folder"].string == folders[part - 1])
                    let book = try await run("unzip", "-p", "\(directory.path)/items.xlsx", "xl/worksheets/sheet1.xml")
                    #expect(book.contains("otros en la parte ") == (part != 4 && part != 2))
                    #expect(book.contains("otros en las partes 1 y 3") == (part == 2))
                    try await run("unzip", "-qqn", archive.path, "-d", everything.path)
                }
                #expect(files == 10)
                let found = try await run(
                    "find",
                    everything.path,
                    "-name",
                    "same*.jpg",
                    "-exec",
                    "sha256sum",
                    "{}",
                    "+"
                )
                #expect(Set(found.split(separator: "\n").map { String($0.prefix(64)) }) == sums)
            }
        }

        @Test("Compressed media, or both: where there is no rendition yet the original stands in")
        func renditions() async throws {
            try await TestStack.with(.zipWorker) { stack in
                let item = try await stack.client.makeItem(code: "EQ-1")
                let photo = try await Samples(in: stack.directory).phonePhoto("IMG_1.jpg")
                let answer = try await stack.client.upload([photo], to: item)
                let asset = try #require(answer.json["assets"].elements.first?["id"].string)
                #expect(try await stack.names(["media": "compressed"]) == ["EQ-1 A thing/IMG_1.jpg"])

                let worker = try await stack.start(.mediaWorker)
                #expect(try await stack.client.settled(asset)["status"] == "ready")
                try await stack.stop(worker)
                #expect(try await stack.names(["media": "compressed"]) == ["EQ-1 A thing/IMG_1 compressed.jpg"])
                let both = ["EQ-1 A thing/IMG_1 compressed.jpg", "EQ-1 A thing/IMG_1.jpg"]
                #expect(try await stack.names(["media": "both"]) == both)
                #expect(try await stack.names([:]) == ["EQ-1 A thing/IMG_1.jpg"])
            }
        }

        @Test("The same data gives the same bytes, whenever it is built", .setsClocks)
        func sameBytes() async throws {
            try await TestStack.with { stack in
                let item = try await stack.client.makeItem()
                _ = try await stack.client.upload([try await stack.quickPhoto("a.jpg", bytes: 300_000)], to: item)
                var sums: Set<String> = []
                for clock in ["+0d", "+400d"] {
                    let worker = try await stack.start(.zipWorker, environment: WrongClock.environment(clock))
                    let id = try await stack.requestExport()
                    #expect(try await stack.endedExport(id)["status"] == "ready")
                    sums.insert(try await sha256(of: try await stack.download(id, part: 1)))
                    #expect(try await stack.client.send("DELETE", "/v1/exports/\(id)").status == 204)
                    try await stack.stop(worker)
                }
                #expect(sums.count == 1)
                #expect(stack.archives.isEmpty, "a deleted export gives its room back")
            }
        }

        @Test("A download cut at random places and resumed gives the same bytes")
        func resumed() async throws {
            try await TestStack.with(.zipWorker) { stack in
                let item = try await stack.client.makeItem()
                _ = try await stack.client.upload([try await stack.quickPhoto("a.jpg", bytes: 3_000_000)], to: item)
                let id = try await stack.requestExport()
                let export = try await stack.endedExport(id)
                let whole = try await stack.download(id, part: 1)
                let bytes = try Data(contentsOf: whole)
                #expect(export["parts"].elements.first?["bytes"].integer == bytes.count)

                let path = "/v1/exports/\(id)/parts/1/content"
                let head = try await stack.client.send("HEAD", path)
                #expect(head.status == 200)
                #expect(head.headers["content-length"] == "\(bytes.count)")
                #expect(head.headers["accept-ranges"] == "bytes")
                #expect(head.headers["content-type"] == "application/zip")
                let tag = try #require(head.headers["etag"])
                #expect(tag.hasPrefix("\"") && tag.hasSuffix("\""))

                let curl =
                    "curl -s -H 'Authorization: Bearer \(stack.client.token ?? "")' '\(stack.client.base)\(path)'"
                for _ in 1...5 {
                    let file = stack.directory.appending(path: "resumed-\(UUID()).zip").path
                    var length = 0
                    while length < bytes.count {
                        let more = Int.random(in: 1...1_500_000)
                        // head closes the pipe after so many bytes, and curl breaks off.
                        try await run(
                            "sh",
                            "-c",
                            "touch '\(file)'; \(curl) -r \(length)- | head -c \(more) >>'\(file)'"
                        )
                        length = try Data(contentsOf: URL(filePath: file)).count
                    }
                    #expect(try Data(contentsOf: URL(filePath: file)) == bytes)
                    try FileHandle(forWritingTo: URL(filePath: file)).truncate(atOffset: UInt64(bytes.count / 3))
                    try await run("sh", "-c", "\(curl) -C - -o '\(file)'")
                    #expect(try Data(contentsOf: URL(filePath: file)) == bytes)
                }
                let range = try await stack.client.send("GET", path, headers: ["Range: bytes=5-9", "If-Range: \(tag)"])
                #expect(range.status == 206)
                #expect(range.body == bytes[5...9])
                let other = try await stack.client.send("GET", path, headers: ["Range: bytes=5-9", "If-Range: \"x\""])
                #expect(other.status == 200)
                let past = try await stack.client.send("GET", path, headers: ["Range: bytes=\(bytes.count)-"])
                #expect(past.status == 416)
            }
        }

        @Test(
            "A lost or damaged original is said in the answer, the row and the archive, which is delivered all the same"
        )
        func problems() async throws {
            try await TestStack.with(.zipWorker, isSoundAtEnd: false) { stack in
                let item = try await stack.client.makeItem(code: "EQ-1")
                let files = [
                    try await stack.quickPhoto("good.jpg", bytes: 50_000),
                    try await stack.quickPhoto("damaged.jpg", bytes: 50_001),
                    try await stack.quickPhoto("lost.jpg", bytes: 50_002),
                ]
                _ = try await stack.client.upload(files, to: item)
                for stored in stack.files where stored.hasPrefix("originals/") {
                    let path = stack.media.appending(path: stored)
                    switch try Data(contentsOf: path).count {
                    case 50_001:
                        let handle = try FileHandle(forWritingTo: path)
                        try handle.seek(toOffset: 30_000)
                        try handle.write(contentsOf: Data(repeating: 7, count: 100))
                        try handle.close()
                    case 50_002: try FileManager.default.removeItem(at: path)
                    default: break
                    }
                }
                let id = try await stack.requestExport()
                let export = try await stack.endedExport(id)
                #expect(export["status"] == "ready")
                let part = try #require(export["parts"].elements.first)
                #expect(part["problem_count"].integer == 2)
                let counted = Query<Value<Int>>(
                    "SELECT jsonb_array_length(archive -> 'problems') AS value FROM export_parts"
                )
                #expect(try await stack.database.first(counted())?.value == 2)
                #expect(Set(part["problems"].elements.map { $0["filename"].string }) == ["damaged.jpg", "lost.jpg"])
                let archive = try await stack.download(id, part: 1)
                try await expectReadable(archive)
                let directory = try await stack.extract(archive)
                let list = try String(contentsOf: directory.appending(path: "PROBLEMS.txt"), encoding: .utf8)
                #expect(list.contains("damaged.jpg") && list.contains("lost.jpg") && !list.contains("good.jpg"))
                let entries = try manifest(in: directory)["entries"].elements.compactMap { $0["name"].string }
                #expect(entries.contains("EQ-1 A thing/damaged.jpg"))
                #expect(!entries.contains("EQ-1 A thing/lost.jpg"))
            }
        }

        @Test(
            "On a volume that shares blocks a part takes no room of its own, and every reader opens it",
            .mountsVolumes
        )
        func cloned() async throws {
            try await MountedVolume.withXFS("xfs") { volume in
                let settings = ["VOLUMES": volume.setting, "VOLUME_RESERVE_BYTES": "1MiB"]
                try await TestStack.with(.zipWorker, environment: settings) { stack in
                    let doctor = try await stack.control("doctor")
                    #expect(doctor.contains("cloned"), "\(doctor)")
                    let item = try await stack.client.makeItem()
                    var bytes = 0
                    for number in 1...4 {
                        let photo = try await stack.quickPhoto("\(number).jpg", bytes: 40_000_000 + number)
                        #expect(try await stack.client.upload([photo], to: item).status == 201)
                        bytes += 40_000_000 + number
                    }
                    let before = try await used(volume.root)
                    let id = try await stack.requestExport()
                    #expect(try await stack.endedExport(id)["status"] == "ready")
                    #expect(try await used(volume.root) - before < bytes / 20)
                    let archive = try await stack.download(id, part: 1)
                    #expect(try Data(contentsOf: archive).count > bytes)
                    try await expectReadable(archive)
                }
            }
        }

        @Test("Whoever listens is told when an export is asked for, worked on and ended")
        func events() async throws {
            let fixture = try MessagingFixture()
            let heard = Mutex<[JSONValue]>([])
            let listener = Consumer(events: ["export.updated"], settings: fixture.settings, logger: fixture.logger) {
                let event = try? JSONDecoder().decode(JSONValue.self, from: Data($0.body))
                heard.withLock { $0.append(event ?? .null) }
                return .done
            }
            try await fixture.running(listener) {
                try await TestStack.with { stack in
                    _ = try await stack.client.makeItem()
                    let id = try await stack.requestExport()
                    let company = try await stack.database.first(
                        Query<Value<String>>("SELECT id::text AS value FROM companies")()
                    )
                    func events() -> [JSONValue] { heard.withLock { $0.filter { $0["id"].string == id } } }
                    try await eventually("the request is told") { events().count == 1 }
                    let worker = try await stack.start(.zipWorker)
                    #expect(try await stack.endedExport(id)["status"] == "ready")
                    // One as the part is taken, one as it and with it the export ends.
                    try await eventually("work and end are told") { events().count >= 3 }
                    #expect(events().allSatisfy { $0["company_id"].string == company?.value })
                    try await stack.stop(worker)
                }
            }
        }

        @Test("An expired export says so, its files go, and asking again builds it anew")
        func expired() async throws {
            try await TestStack.with(.zipWorker, environment: ["EXPORT_LIFE": "2s"]) { stack in
                _ = try await stack.client.makeItem()
                let id = try await stack.requestExport()
                let export = try await stack.export(id, within: .seconds(30)) { $0["status"] == "expired" }
                #expect(export["parts"].elements.map { $0["status"].string } == ["expired"])
                let gone = try await stack.client.send("GET", "/v1/exports/\(id)/parts/1/content")
                #expect(gone.status == 410)
                #expect(gone.json["code"] == "export_expired")
                try await stack.control("export", "clean")
                #expect(stack.archives.isEmpty)
                let second = try await stack.requestExport()
                #expect(second != id)
                let ended = try await stack.endedExport(second)
                #expect(["ready", "expired"].contains(ended["status"].string), "\(ended)")
            }
        }
    }
}

extension TestStack {
    /// Three documents of the company itself; gives their sums.
    fileprivate func uploadProcedures() async throws -> Set<String> {
        var sums: Set<String> = []
        for (number, body) in ["%PDF-1.4\n\(String(repeating: "text ", count: 9000))", "plain ", "a,b\n1,2\n"]
            .enumerated()
        {
            let name = ["manual.pdf", "LÉEME.txt", "table.csv"][number]
            let file = directory.appending(path: name)
            try Data(String(repeating: body, count: 3).utf8).write(to: file)
            let answer = try await client.send("POST", "/v1/documents", curl: ["-F", "file=@\(file.path)"])
            #expect(answer.status == 201, "\(answer.json)")
            sums.insert(try await sha256(of: file))
        }
        return sums
    }

    /// Exports everything and gives the names of the entries that are assets.
    fileprivate func names(_ body: [String: JSONValue]) async throws -> [String] {
        let id = try await requestExport(body)
        #expect(try await endedExport(id)["status"] == "ready")
        let directory = try await extract(try await download(id, part: 1))
        return try manifest(in: directory)["entries"].elements
            .filter { $0["asset_id"].string != nil }.compactMap { $0["name"].string }.sorted()
    }
}

/// Bytes in use on a volume, once everything is on it.
private func used(_ volume: URL) async throws -> Int {
    try await run("sync", "-f", volume.path)
    let lines = try await run("df", "--output=used", "-B1", volume.path).split(separator: "\n")
    return try #require(lines.last.flatMap { Int($0.trimmingCharacters(in: .whitespaces)) })
}

func manifest(in directory: URL) throws -> JSONValue {
    try JSONDecoder().decode(JSONValue.self, from: Data(contentsOf: directory.appending(path: "manifest.json")))
}

/// Five readers, one of which gets the archive through a pipe.
private func expectReadable(_ archive: URL, sourceLocation: SourceLocation = #_sourceLocation) async throws {
    try await run("unzip", "-tqq", archive.path)
    try await run("7z", "t", archive.path)
    try await run("bsdtar", "-tf", archive.path)
    try await run("sh", "-c", "cat '\(archive.path)' | bsdtar -xOf - >/dev/null")
    let bad = try await run(
        "/usr/bin/python3",
        "-c",
        "import sys, zipfile; print(zipfile.ZipFile(sys.argv[1]).testzip())",
        archive.path
    )
    #expect(bad.contains("None"), sourceLocation: sourceLocation)
}

/// The workbook has a row for each item, under its headings.
private func expectWorkbook(in directory: URL, items: Int, code: String) async throws {
    let script = """
        import sys, openpyxl
        book = openpyxl.load_workbook(sys.argv[1])
        rows = list(book.worksheets[0].iter_rows(values_only=True))
        print(len(rows) - 1, rows[1][0], len(book.worksheets[1]["A"]) > 1)
        """
    let seen = try await run("/usr/bin/python3", "-c", script, directory.appending(path: "items.xlsx").path)
    #expect(seen.trimmingCharacters(in: .whitespacesAndNewlines) == "\(items) \(code) True")
}
