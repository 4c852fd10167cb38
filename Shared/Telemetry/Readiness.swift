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
    func drain() {
        state.withLock { $0.isDraining = true }
    }

    var isDraining: Bool { state.withLock { $0.isDraining } }

    /// What the checks say, at most a second old.
    func report() async -> ReadinessReport {
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

/// One named check. At most one call of it is under way, however long it hangs.
final class ReadinessCheck: Sendable {
    let name: String
    private let body: @Sendable () async -> DependencyStatus
    private let isUnderWay = Atomic(false)

    init(name: String, body: @escaping @Sendable () async -> DependencyStatus) {
        self.name = name
        self.body = body
    }

    /// The answer, or a failure if there is none in time. A call that ignores its cancellation goes on by itself.
    func result(within limit: Duration) async -> DependencyStatus {
        let late = DependencyStatus.failed(
            "no answer within \(limit)",
            action: "See whether \(name) is overloaded or unreachable."
        )
        guard !isUnderWay.exchange(true, ordering: .acquiring) else { return late }
        let (answers, answer) = AsyncStream.makeStream(of: DependencyStatus.self, bufferingPolicy: .bufferingOldest(1))
        let call = Task {
            let result = await body()
            isUnderWay.store(false, ordering: .releasing)
            answer.yield(result)
        }
        let clock = Task {
            try await Task.sleep(for: limit)
            answer.yield(late)
        }
        defer {
            call.cancel()
            clock.cancel()
        }
        return await answers.first { _ in true } ?? late
    }
}

/// What all checks found.
struct ReadinessReport: Hashable, Sendable, Encodable {
    enum Status: String, Sendable, Encodable {
        case ready
        /// It takes work, though not everything is well.
        case degraded
        /// It should be sent no work.
        case failed
        /// It was told to stop and takes no new work.
        case draining
    }

    struct Check: Hashable, Sendable, Encodable {
        let name: String
        /// `ok`, `degraded` or `failed`.
        let status: String
        let detail: String?
        /// What the operator can do.
        let action: String?

        init(name: String, result: DependencyStatus) {
            self.name = name
            switch result {
            case .ok: (status, detail, action) = ("ok", nil, nil)
            case .degraded(let why): (status, detail, action) = ("degraded", why, nil)
            case .failed(let why, let todo): (status, detail, action) = ("failed", why, todo)
            }
        }
    }

    /// The worst of the checks, or `draining`.
    let status: Status
    /// In the order in which they were registered.
    let checks: [Check]

    /// Whether the process should be sent work.
    var takesWork: Bool { status == .ready || status == .degraded }

    init(isDraining: Bool, checks: [Check]) {
        let states = Set(checks.map(\.status))
        status =
            isDraining
            ? .draining : states.contains("failed") ? .failed : states.contains("degraded") ? .degraded : .ready
        self.checks = checks
    }
}
