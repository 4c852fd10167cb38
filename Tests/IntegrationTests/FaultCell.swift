import Foundation
import Synchronization
import TestSupport
import Testing

/// One cell of the fault matrix: a fault that is met some times over, and what has to be true after each.
struct FaultCell {
    /// What happens.
    let fault: String
    /// How often on every change.
    let few: Int
    /// How often when the whole matrix is asked for.
    let full: Int
    /// The services that run through all of it.
    var workers: [Program] = []
    var environment: [String: String] = [:]

    /// Meets the fault, waits until the suite has recovered, and checks every rule, each time.
    ///
    /// `meet` meets the fault once. It returns when all that was acknowledged has ended, and says how long that took
    /// from the moment the fault was over.
    func run(_ meet: (TestSupport.Suite, Int) async throws -> Duration) async throws {
        try await TestSupport.Suite.with(workers, environment: environment) { suite in
            var seconds: [Double] = []
            var violations = 0
            let rounds = Counts.of(few, full: full)
            for round in 1...rounds {
                do {
                    seconds.append(try await meet(suite, round) / .seconds(1))
                    try await suite.requireSound()
                } catch {
                    violations += 1
                    Issue.record(error, "\(fault), round \(round)")
                }
            }
            FaultTable.add(fault, rounds: rounds, violations: violations, seconds)
        }
    }
}

extension TestSupport.Suite {
    /// Collects as if a day had passed; then no file is without a row, and no row is wrong or without its file.
    func requireSound() async throws {
        let old = Date(timeIntervalSinceNow: -2 * 86_400)
        for path in files {
            try FileManager.default.setAttributes(
                [.modificationDate: old],
                ofItemAtPath: directory.appending(path: "media/\(path)").path
            )
        }
        try await control("gc", "--delete")
        try await control("check", "--grace", "0", "--sums")
    }

    /// Waits until every asset is ready, or failed if that is allowed.
    func settleAll(within limit: Duration = .seconds(120)) async throws {
        let deadline = ContinuousClock.now + limit
        while true {
            let queued = try await client.send("GET", "/v1/assets?status=queued&limit=1")
            let processing = try await client.send("GET", "/v1/assets?status=processing&limit=1")
            let lists = [queued, processing]
            if lists.allSatisfy({ $0.status == 200 && $0.json["assets"].elements.isEmpty }) { break }
            try #require(ContinuousClock.now < deadline, "\(lists.map(\.json))")
            try await Task.sleep(for: .milliseconds(20))
        }
        let failed = try await client.send("GET", "/v1/assets?status=failed&limit=10").json["assets"].elements
        #expect(failed.isEmpty, "\(failed)")
    }
}

/// What the matrix came to, a line a cell: `FAULT_TABLE` names a file it is written to. A violation is a round in which
/// something did not end, or a rule was broken; any other wrong answer fails the test.
enum FaultTable {
    static func add(_ fault: String, rounds: Int, violations: Int, _ seconds: [Double]) {
        let sorted = seconds.sorted()
        let times = [sorted.dropFirst(sorted.count / 2).first, sorted.last].map { $0.map(text) ?? "–" }
        let line = "| \(fault) | \(rounds) | \(violations) | \(times.joined(separator: " | ")) |\n"
        print(line, terminator: "")
        guard let path = ProcessInfo.processInfo.environment["FAULT_TABLE"] else { return }
        if !FileManager.default.fileExists(atPath: path) {
            _ = FileManager.default.createFile(atPath: path, contents: nil)
        }
        guard let file = FileHandle(forWritingAtPath: path) else { return }
        defer { try? file.close() }
        _ = try? file.seekToEnd()
        try? file.write(contentsOf: Data(line.utf8))
    }

    private static func text(_ seconds: Double) -> String { String(format: "%.2f", seconds) }
}
