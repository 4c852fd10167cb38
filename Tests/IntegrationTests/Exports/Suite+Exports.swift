import Database
import Foundation
import Models
import TestSupport
import Testing

extension TestSupport.Suite {
    /// A JPEG of any size beyond a kilobyte, at once: what follows the end of the picture is noise.
    func quickPhoto(_ name: String, bytes: Int) async throws -> URL {
        let base = directory.appending(path: "base.jpg")
        if !FileManager.default.fileExists(atPath: base.path) {
            try await run("convert", "-size", "16x16", "xc:gray", "-strip", base.path)
        }
        let file = directory.appending(path: name)
        let noise = bytes - (try Data(contentsOf: base).count)
        try await run("sh", "-c", "(cat '\(base.path)'; head -c \(noise) /dev/urandom) >'\(file.path)'")
        return file
    }

    /// Asks for an export and gives its id.
    func requestExport(_ body: [String: JSONValue] = [:]) async throws -> String {
        let answer = try await client.send("POST", "/v1/exports", json: body)
        return try #require(answer.json["id"].string, "\(answer.status) \(answer.json)")
    }

    /// The export as it stands once it is neither queued nor processing.
    func endedExport(_ id: String, within limit: Duration = .seconds(60)) async throws -> JSONValue {
        try await export(id, within: limit) { !["queued", "processing"].contains($0["status"].string) }
    }

    /// The export as it stands once that is so.
    func export(_ id: String, within limit: Duration, once isSo: (JSONValue) -> Bool) async throws -> JSONValue {
        let deadline = ContinuousClock.now + limit
        while true {
            let json = try await client.send("GET", "/v1/exports/\(id)").json
            if isSo(json) { return json }
            try #require(ContinuousClock.now < deadline, "\(json)")
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    /// Downloads a part to a file.
    func download(_ export: String, part: Int) async throws -> URL {
        let file = directory.appending(path: "part-\(UUID()).zip")
        let answer = try await client.send("GET", "/v1/exports/\(export)/parts/\(part)/content")
        #expect(answer.status == 200, "\(answer.json)")
        try answer.body.write(to: file)
        return file
    }

    /// Takes a part's archive apart, and gives the directory it was extracted to.
    func extract(_ archive: URL) async throws -> URL {
        let target = directory.appending(path: "extracted-\(UUID())")
        try FileManager.default.createDirectory(at: target, withIntermediateDirectories: true)
        try await run("unzip", "-qq", archive.path, "-d", target.path)
        return target
    }

    /// Lets the leases of a killed worker end now, and the sweeper see it in its next round.
    func endLeases() async throws {
        _ = try await database.run(
            Query<NoRow>(
                "UPDATE jobs SET lease_until = now() - interval '1 s', announce_at = now() WHERE state = 'running'"
            )()
        )
    }

    /// Every archive on the volume.
    var archives: [String] { files.filter { $0.hasPrefix("exports/") } }

    /// What lies in the spool: nothing, when no work is under way.
    var spooled: [String] { files.filter { $0.hasPrefix("spool/") } }
}

/// The SHA-256 of a file, as the API writes it.
func sha256(of file: URL) async throws -> String {
    String(try await run("sha256sum", file.path).prefix { $0 != " " }.suffix(64))
}
