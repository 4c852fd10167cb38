import Models

/// What all checks found.
public struct ReadinessReport: Hashable, Sendable, Encodable {
    /// The word for the whole process.
    public enum Status: String, Sendable, Encodable {
        /// Every check is well.
        case ready
        /// It takes work, though not everything is well.
        case degraded
        /// It should be sent no work.
        case failed
        /// It was told to stop and takes no new work.
        case draining
    }

    /// One check by its name.
    public struct Check: Hashable, Sendable, Encodable {
        /// What is checked.
        public let name: String
        /// `ok`, `degraded` or `failed`.
        public let status: String
        /// Why it is not well.
        public let detail: String?
        /// What the operator can do.
        public let action: String?
    }

    /// The worst of the checks, or `draining`.
    public let status: Status
    /// In the order in which they were registered.
    public let checks: [Check]

    /// Whether the process should be sent work.
    public var takesWork: Bool { status == .ready || status == .degraded }

    init(isDraining: Bool, checks: [Check]) {
        let states = Set(checks.map(\.status))
        status =
            isDraining
            ? .draining : states.contains("failed") ? .failed : states.contains("degraded") ? .degraded : .ready
        self.checks = checks
    }
}

extension ReadinessReport.Check {
    init(name: String, result: DependencyStatus) {
        switch result {
        case .ok: self.init(name: name, status: "ok", detail: nil, action: nil)
        case .degraded(let why): self.init(name: name, status: "degraded", detail: why, action: nil)
        case .failed(let why, let action): self.init(name: name, status: "failed", detail: why, action: action)
        }
    }
}
