public import Foundation
public import Models
import Testing

/// Exports, from the request to the extracted archive.
extension TestStack {
    /// Asks for an export and gives its id.
    public func requestExport(_ body: [String: JSONValue] = [:]) async throws -> String {
        let answer = try await client.send("POST", "/v1/exports", json: body)
        return try #require(answer.json["id"].string, "\(answer.status) \(answer.json)")
    }

    /// The export as it stands once it is neither queued nor processing.
    public func endedExport(_ id: String, within limit: Duration = .seconds(60)) async throws -> JSONValue {
        try await export(id, within: limit) { !["queued", "processing"].contains($0["status"].string) }
    }

    /// The export as it stands once that is so.
    public func export(
        _ id: String,
        within limit: Duration = .seconds(30),
        once isSo: (JSONValue) -> Bool
    ) async throws -> JSONValue {
        try await eventually("export \(id) goes on", within: limit) {
            try await client.send("GET", "/v1/exports/\(id)").json
        } isSo: {
            isSo($0)
        }
    }

    /// Waits until a worker has begun with the export.
    @discardableResult
    public func exportBegins(_ id: String) async throws -> JSONValue {
        try await export(id) { $0["status"].string != "queued" }
    }

    /// Downloads a part to a file.
    public func download(_ export: String, part: Int) async throws -> URL {
        let answer = try await client.send("GET", "/v1/exports/\(export)/parts/\(part)/content")
        try #require(answer.status == 200, "\(answer.json)")
        return try file("part-\(UUID()).zip", answer.body)
    }

    /// Takes a part's archive apart, and gives the directory it was extracted to.
    public func extract(_ archive: URL) async throws -> URL {
        let target = directory.appending(path: "extracted-\(UUID())")
        try FileManager.default.createDirectory(at: target, withIntermediateDirectories: true)
        try await run("unzip", "-qq", archive.path, "-d", target.path)
        return target
    }
}
