import Foundation
import Models
import TestSupport
import Testing

extension TestSupport.Suite {
    /// What became of each photo, and how long its request took, in seconds.
    typealias Poured = (status: String, seconds: Double)

    /// Sends photos again until each of them was taken.
    func pourUntilKept(photos: Int, to item: ItemID, round: Int, through client: Client? = nil) async throws {
        try await eventually("each photo is taken") {
            let answers = try await pour(photos: photos, to: item, round: round, through: client)
            return answers.count == photos && answers.allSatisfy { $0.status == "200" || $0.status == "201" }
        }
    }

    /// Sends so many small photos over a few connections, one request after the other, and gives how each request ended.
    /// The same round sends the same photos. Several photos in a request are a form.
    func pour(
        photos: Int,
        to item: ItemID,
        round: Int,
        perRequest: Int = 1,
        connections: Int = 8,
        through client: Client? = nil
    ) async throws -> [Poured] {
        let picture = directory.appending(path: "poured.jpg")
        if !FileManager.default.fileExists(atPath: picture.path) {
            _ = try await quickPhoto("poured.jpg", bytes: 2000)
        }
        let base = try Data(contentsOf: picture)
        let client = client ?? self.client
        var requests = "parallel\nparallel-max = \(connections)\n"
        for first in stride(from: 0, to: photos, by: perRequest) {
            let names = (first..<first + perRequest).map { "poured-\($0).jpg" }
            for name in names {
                try (base + Data("\(round) \(name)".utf8)).write(to: directory.appending(path: name))
            }
            requests += """
                next
                \(body(names, "\(client.base)/v1/items/\(item)/assets"))
                header = "Authorization: Bearer \(client.token ?? "")"
                silent
                output = "/dev/null"
                write-out = "%{http_code} %{time_total}\\n"

                """
        }
        let file = directory.appending(path: "requests-\(UUID())")
        try Data(requests.utf8).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        // curl's own status is that of its last failure; the answers are what counts.
        let answers = try await run("sh", "-c", "curl --config '\(file.path)' || true").split(separator: "\n")
        return answers.map { answer in
            let words = answer.split(separator: " ")
            return (String(words.first ?? ""), words.last.flatMap { Double($0) } ?? 0)
        }
    }

    /// What curl is told of a request's address and body.
    private func body(_ names: [String], _ address: String) -> String {
        if names.count == 1 {
            return "url = \"\(address)/\(names[0])\"\nupload-file = \"\(directory.path)/\(names[0])\""
        }
        let files = names.map { "form = \"\($0)=@\(directory.path)/\($0)\"" }
        return (["url = \"\(address)\""] + files).joined(separator: "\n")
    }
}
