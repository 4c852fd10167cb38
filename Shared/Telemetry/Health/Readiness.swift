public import Models
import Synchronization

/// Whether this process should be sent work: the checks it registered, and whether it was told to stop.
///
/// The checks run side by side when somebody asks, each for at most two seconds. What they found is good for one
/// second, so that probes cannot hammer what is checked.
public final class Readiness: Sendable {
    private struct State {
        var checks: [ReadinessCheck] = []
        var isDraining = false
        var run: Run?
    }

    /// One round of all checks; callers that come while it is under way wait for its outcome.
    private struct Run {
        let id: Int
        let outcome: Task<[ReadinessReport.Check], Never>
        var endedAt: ContinuousClock.Instant?
    }

    private let limit: Duration
    private let lifetime: Duration
    private let state = Mutex(State())

    /// Starts without checks: ready.
    public convenience init() {
        self.init(limit: .seconds(2), lifetime: .seconds(1))
    }

    init(limit: Duration, lifetime: Duration) {
        self.limit = limit
        self.lifetime = lifetime
    }

    /// Adds a check. It is cancelled after two seconds and then counts as failed.
    public func register(_ name: String, _ check: @escaping @Sendable () async -> DependencyStatus) {
        state.withLock { $0.checks.append(ReadinessCheck(name: name, body: check)) }
    }

    /// Makes the process unready from now on, whatever its checks say.
    public func drain() {
        state.withLock { $0.isDraining = true }
    }

    /// Whether the process was told to stop.
    public var isDraining: Bool { state.withLock { $0.isDraining } }

    /// What the checks say, at most a second old.
    public func report() async -> ReadinessReport {
        let checks = await currentRun().value
        return ReadinessReport(isDraining: isDraining, checks: checks)
    }

    private func currentRun() -> Task<[ReadinessReport.Check], Never> {
        state.withLock { state in
            if let run = state.run {
                guard let endedAt = run.endedAt, .now - endedAt > lifetime else { return run.outcome }
            }
            let id = (state.run?.id ?? 0) + 1
            let outcome = Task { [checks = state.checks, limit] in
                let found = await Self.results(of: checks, within: limit)
                self.ended(id)
                return found
            }
            state.run = Run(id: id, outcome: outcome)
            return outcome
        }
    }

    private func ended(_ id: Int) {
        state.withLock { state in
            guard state.run?.id == id else { return }
            state.run?.endedAt = .now
        }
    }

    private static func results(
        of checks: [ReadinessCheck],
        within limit: Duration
    ) async -> [ReadinessReport.Check] {
        await withTaskGroup(of: (Int, DependencyStatus).self) { group in
            for (index, check) in checks.enumerated() {
                group.addTask { (index, await check.result(within: limit)) }
            }
            let results = await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
            return checks.enumerated().compactMap { index, check in
                results[index].map { ReadinessReport.Check(name: check.name, result: $0) }
            }
        }
    }
}
