import Database
import Foundation
import Testing

/// What must be true after every round of every cell, whatever was met. `Tests/Faults/README.md` lists the rules.
struct FaultInvariants {
    private let stack: TestStack
    private let programs: [RunningProgram]
    /// Descriptors of each program before the first round.
    private let atRest: [Int]
    private var answers = LoggedAnswers()

    /// Begins to watch a stack, and programs of it that nothing will happen to.
    init(of stack: TestStack, watching programs: [RunningProgram]) async throws {
        self.stack = stack
        self.programs = programs
        // What is opened once, and then stays, is opened now.
        try await stack.uploadAndDelete()
        try await stack.database.withConnection { try await $0.script(FaultWatch.script) }
        for program in programs { try await eventually("nobody is connected") { program.clients.isEmpty } }
        atRest = programs.map(\.held.count)
    }

    /// Rules 2 to 8; the first is a matter of time, which each cell waits for.
    mutating func require() async throws {
        try await requireJobsToGrow()
        try await requireSameBytes()
        try await stack.requireSound()
        try await requireNothingHeld()
        let unexplained = try answers.unexplained(in: stack.directory)
        try #require(unexplained.isEmpty, "answers without a logged cause: \(unexplained)")
    }

    /// Rule 1: lets workers end what is left, and requires that nothing has failed.
    mutating func requireAllToEnd() async throws {
        guard try await stack.unfinishedJobs > 0 else { return }
        let workers = [try await stack.start(.mediaWorker), try await stack.start(.zipWorker)]
        let due = Query<NoRow>(
            """
            UPDATE jobs SET run_after = least(run_after, now()), announce_at = now(),
                            lease_until = CASE state WHEN 'running' THEN now() - interval '1 s' END
             WHERE state IN ('queued', 'running')
            """
        )
        _ = try await stack.database.run(due())
        try await eventually("all jobs end", within: .seconds(90)) { try await stack.unfinishedJobs == 0 }
        let failed = Query<Value<Int>>("SELECT count(*) AS value FROM jobs WHERE state = 'failed'")
        #expect(try await stack.database.first(failed())?.value == 0)
        for worker in workers { try await stack.stop(worker) }
        try await require()
    }

    /// Rule 3: of the newest asset, what the client sent, what the row says and what a download gives are the same.
    private func requireSameBytes() async throws {
        let newest = Query<AssetSums>(
            """
            SELECT id, filename, sha256, extract(epoch FROM created_at)::float8 AS created FROM assets
             WHERE deleted_at IS NULL ORDER BY created_at DESC LIMIT 1
            """
        )
        guard let asset = try await stack.database.first(newest()) else { return }
        let answer = try await stack.client.send("GET", "/v1/assets/\(asset.id)/content")
        try #require(answer.status == 200, "\(answer.json)")
        let downloaded = try await stack.sum(of: answer.body)
        try #require(downloaded == asset.sha256, "a download of \(asset.id)")
        let sent = stack.directory.appending(path: asset.filename)
        // A later round may have written another of its name.
        let written = try? sent.resourceValues(forKeys: [.contentModificationDateKey]).contentModificationDate
        guard let written, written.timeIntervalSince1970 < asset.created else { return }
        try #require(try await sha256(of: sent) == asset.sha256, "what was sent as \(asset.id)")
    }

    /// Rule 5, of which the database itself has taken note.
    private func requireJobsToGrow() async throws {
        let seen = try await stack.database.run(Query<Value<String>>("SELECT seen AS value FROM fault_watch")())
        try #require(seen.isEmpty, "\(seen.map(\.value))")
    }

    /// Rule 7: no client's connection, no file of a volume, no session in a transaction, no descriptor more than before.
    private func requireNothingHeld() async throws {
        for (program, count) in zip(programs, atRest) {
            let name = program.log.lastPathComponent
            try await eventually("\(name) has no clients") { program.clients.isEmpty }
            try await eventually("\(name) has let go of its files: \(program.spooled)") {
                program.spooled.isEmpty
            }
            try await eventually("\(name) holds no more than \(count): \(program.held)") {
                program.held.count <= count
            }
            // A pool of 30, and a few to the broker.
            try #require(program.connections.count <= 36, "\(name) has \(program.connections.count) connections")
        }
        let open = Query<Value<Int>>(
            """
            SELECT count(*) AS value FROM pg_stat_activity
             WHERE datname = current_database() AND state LIKE 'idle in transaction%'
            """
        )
        try await eventually("no session stays in a transaction") {
            try await stack.database.first(open())?.value == 0
        }
    }
}

/// Notes what may never happen to a job, at the moment it does.
private enum FaultWatch {
    static let script = """
        CREATE TABLE fault_watch (seen text NOT NULL);
        CREATE FUNCTION fault_watch() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF NEW.fence < OLD.fence THEN
                INSERT INTO fault_watch VALUES (format('the fence of %s fell from %s to %s', OLD.id, OLD.fence, NEW.fence));
            END IF;
            IF OLD.state = 'done' AND (NEW.state, NEW.fence, NEW.attempt, NEW.finished_at)
                                      IS DISTINCT FROM (OLD.state, OLD.fence, OLD.attempt, OLD.finished_at) THEN
                INSERT INTO fault_watch VALUES (format('%s was done, and became %s again', OLD.id, NEW.state));
            END IF;
            RETURN NULL;
        END
        $$;
        CREATE TRIGGER fault_watch AFTER UPDATE ON jobs FOR EACH ROW EXECUTE FUNCTION fault_watch();
        """
}

extension TestStack {
    /// Rules 2, 3, 4 and 6: collects as if a day had passed; then no file is without a row, and no row is wrong or
    /// without its file.
    fileprivate func requireSound() async throws {
        try ageFiles()
        try await control("gc", "--delete")
        try await control("check", "--grace", "0", "--sums")
    }

    /// A document comes and goes, and leaves nothing.
    fileprivate func uploadAndDelete() async throws {
        let asset = try await uploadOne(try file("first.pdf", try document(100_000)))
        _ = try await client.send("GET", "/v1/assets/\(asset)/content")
        _ = try await client.send("DELETE", "/v1/assets/\(asset)")
        _ = try await database.run(Query<NoRow>("DELETE FROM assets")())
        try await requireSound()
    }
}

private struct AssetSums: RowDecodable {
    let id: UUID
    let filename: String
    let sha256: String
    /// Seconds since 1970.
    let created: Double

    init(from row: borrowing Row) throws(DatabaseError) {
        id = try row["id"]
        filename = try row["filename"]
        sha256 = try row["sha256"]
        created = try row["created"]
    }
}

/// Rule 8: what the logs of the API say about its answers of 500 and more.
private struct LoggedAnswers {
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
