import Database
import Logging
import Metrics
import Models

/// Counts the jobs of each kind by where they stand, for the metrics.
///
/// Every API process counts all of them: whichever is asked tells the same.
struct JobMetrics: Sendable {
    /// How many jobs of a kind stand somewhere.
    struct Count: RowDecodable {
        let kind: Job.Kind
        let state: Job.State
        let jobs: Int
        /// Those that could be taken now, and whose message the broker has not confirmed.
        let unannounced: Int
        /// How long the one that could be taken first has waited.
        let oldestSeconds: Double
    }

    /// `done` is not among them: those are as many as there are assets and parts.
    static let states = [Job.State.queued, .running, .failed]

    let database: Database
    let logger: Logger

    /// Counts and records. With the database away the last count stands.
    func record() async {
        do {
            _ = try await database.run(JobStatements.addUpCounts())
            record(try await database.run(JobStatements.counts()))
        } catch {
            logger.debug("The jobs could not be counted", metadata: ["error": "\(error)"])
        }
    }

    private func record(_ counts: [Count]) {
        for kind in Job.Kind.allCases {
            let dimensions = [("kind", kind.rawValue)]
            let counts = counts.filter { $0.kind == kind }
            for state in Self.states {
                Gauge(label: "tolva_jobs", dimensions: dimensions + [("state", state.rawValue)])
                    .record(counts.first { $0.state == state }?.jobs ?? 0)
            }
            let queued = counts.first { $0.state == .queued }
            Gauge(label: "tolva_jobs_unannounced", dimensions: dimensions).record(queued?.unannounced ?? 0)
            Gauge(label: "tolva_jobs_oldest_seconds", dimensions: dimensions).record(queued?.oldestSeconds ?? 0)
        }
    }
}

extension JobMetrics.Count {
    init(from row: borrowing Row) throws(DatabaseError) {
        kind = try row["kind"]
        state = try row["state"]
        jobs = try row["jobs"]
        unannounced = try row["unannounced"]
        oldestSeconds = try row["oldest_seconds"]
    }
}
