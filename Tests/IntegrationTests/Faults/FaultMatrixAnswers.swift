import Foundation

/// Rule 8: what the logs of the API say about its answers of 500 and more.
struct FaultAnswers {
    /// How far each log was read.
    private var offsets: [String: UInt64] = [:]
    private var causes: Set<String> = []

    private struct Line: Decodable {
        let message: String
        let requestID: String?
        let status: String?
        let path: String?
        let cause: String?

        enum CodingKeys: String, CodingKey {
            case message, status, path, cause
            case requestID = "request_id"
        }
    }

    /// The answers since the last time whose request has no logged cause.
    mutating func unexplained(in directory: URL) throws -> [String] {
        var unexplained: [String] = []
        let logs = try FileManager.default.contentsOfDirectory(at: directory, includingPropertiesForKeys: nil)
        for log in logs where log.lastPathComponent.contains("api") && log.pathExtension == "log" {
            for line in try newLines(of: log) {
                if line.message == "A request failed", let id = line.requestID, line.cause?.isEmpty == false {
                    causes.insert(id)
                }
                // Readiness says what is wrong in its answer.
                guard line.message == "request", let status = line.status.flatMap({ Int($0) }), status >= 500,
                    line.path?.hasPrefix("/health") != true
                else { continue }
                let isExplained = line.requestID.map { causes.contains($0) } ?? false
                if !isExplained { unexplained.append("\(status) of \(line.path ?? "") in \(log.lastPathComponent)") }
            }
        }
        return unexplained
    }

    private mutating func newLines(of log: URL) throws -> [Line] {
        let file = try FileHandle(forReadingFrom: log)
        defer { try? file.close() }
        try file.seek(toOffset: offsets[log.path] ?? 0)
        let text = try file.readToEnd() ?? Data()
        // The last line may be on its way.
        guard let end = text.lastIndex(of: UInt8(ascii: "\n")) else { return [] }
        offsets[log.path, default: 0] += UInt64(end - text.startIndex + 1)
        let marks = [Data("\"A request failed\"".utf8), Data("\"status\":\"5".utf8)]
        return text[..<end].split(separator: UInt8(ascii: "\n")).filter { line in
            marks.contains { line.range(of: $0) != nil }
        }.compactMap { try? JSONDecoder().decode(Line.self, from: $0) }
    }
}
