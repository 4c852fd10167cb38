import TestSupport
import Testing

/// Everything that starts programs or uses the broker runs one after the other: a test may stop the broker or kill
/// Postgres, and many of them measure how long something takes.
///
/// No test takes a fifth of the limit; with it a run ends that waits for something nobody has bounded.
@Suite(.serialized, .timeLimit(.minutes(Counts.areFull ? 240 : 10))) struct Integration {
    /// The fault matrix: a few rounds of each cell on every change, all of them with `make faults`.
    @Suite struct FaultMatrix {}

    /// The client of the broker, without any program.
    @Suite struct Messaging {}
}
