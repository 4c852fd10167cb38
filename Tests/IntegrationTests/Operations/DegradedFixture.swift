import Foundation
import Models
import TestSupport

extension BrokerControl {
    /// Stops the broker while the body runs.
    static func away(_ body: () async throws -> Void) async throws {
        try await stop()
        try await during(body, then: start)
    }

    /// Lets the broker be short of memory while the body runs: it takes no messages.
    static func inAlarm(_ body: () async throws -> Void) async throws {
        try await TestBroker.setAlarm(true)
        try await during(body) { try await TestBroker.setAlarm(false) }
    }
}

extension PostgresControl {
    /// Kills Postgres, and starts it when the body is through.
    static func away(_ body: () async throws -> Void) async throws {
        try await kill()
        try await during(body, then: start)
    }
}

/// Runs a body, and something after it however it ends.
private func during(_ body: () async throws -> Void, then end: () async throws -> Void) async throws {
    do {
        try await body()
    } catch {
        try await end()
        throw error
    }
    try await end()
}

extension RunningProgram {
    /// A client of a worker's own port.
    var health: Client {
        // The suite names each worker's log after it.
        let port = log.deletingPathExtension().lastPathComponent.split(separator: "-").last ?? ""
        return Client(base: "http://127.0.0.1:\(port)")
    }
}

extension Client {
    /// What `/health/ready` says of one check.
    func check(_ name: String) async throws -> JSONValue {
        try await send("GET", "/health/ready").json["checks"].elements.first { $0["name"].string == name } ?? .null
    }

    /// A metric's samples, added up.
    func metric(_ name: String) async throws -> Double {
        let text = String(decoding: try await send("GET", "/metrics").body, as: UTF8.self)
        return text.split(separator: "\n").filter { $0.hasPrefix("\(name){") || $0.hasPrefix("\(name) ") }
            .compactMap { $0.split(separator: " ").last.flatMap { Double($0) } }.reduce(0, +)
    }
}
