/// How something that a process depends on stands: its database, its broker, its volumes.
public enum DependencyStatus: Hashable, Sendable {
    case ok
    /// The process does its job, but not as well as it should.
    case degraded(_ reason: String)
    /// The process cannot do its job; the action is what the operator can do.
    case failed(_ reason: String, action: String)
}
