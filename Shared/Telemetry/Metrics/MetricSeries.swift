import CoreMetrics
import Synchronization

/// What is counted under one set of labels.
protocol MetricSeries: AnyObject, Sendable {
    func write(name: String, labels: String, to text: inout String)
}

/// A number that only grows.
final class CounterSeries: MetricSeries, CounterHandler, FloatingPointCounterHandler {
    private let count = Mutex(0.0)

    func increment(by amount: Int64) { increment(by: Double(amount)) }

    func increment(by amount: Double) {
        guard amount > 0, amount.isFinite else { return }
        count.withLock { $0 += amount }
    }

    func reset() { count.withLock { $0 = 0 } }

    func write(name: String, labels: String, to text: inout String) {
        text += Exposition.sample(name, labels, count.withLock { $0 })
    }
}

/// A number that goes up and down.
final class GaugeSeries: MetricSeries, MeterHandler, RecorderHandler {
    private let value = Mutex(0.0)

    func set(_ new: Int64) { set(Double(new)) }
    func set(_ new: Double) { value.withLock { $0 = new } }
    func increment(by amount: Double) { value.withLock { $0 += amount } }
    func decrement(by amount: Double) { value.withLock { $0 -= amount } }
    func record(_ new: Int64) { set(Double(new)) }
    func record(_ new: Double) { set(new) }

    func write(name: String, labels: String, to text: inout String) {
        text += Exposition.sample(name, labels, value.withLock { $0 })
    }
}

/// How often values fell below each bound.
final class HistogramSeries: MetricSeries, RecorderHandler, TimerHandler {
    /// 1 ms … 60 s.
    static let seconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]
    /// 1 … 4 Gi, by fours.
    static let sizes = (0...16).map { Double(1 << (2 * $0)) }

    private struct State {
        /// How many values fell into each bucket, and past the last bound.
        var counts: [UInt64]
        var sum = 0.0
    }

    private let upperBounds: [Double]
    private let state: Mutex<State>

    init(upperBounds: [Double]) {
        self.upperBounds = upperBounds
        state = Mutex(State(counts: Array(repeating: 0, count: upperBounds.count + 1)))
    }

    func record(_ value: Int64) { record(Double(value)) }

    func record(_ value: Double) {
        guard value.isFinite else { return }
        let bucket = upperBounds.firstIndex { value <= $0 } ?? upperBounds.count
        state.withLock {
            $0.counts[bucket] += 1
            $0.sum += value
        }
    }

    func recordNanoseconds(_ duration: Int64) { record(Double(duration) / 1e9) }

    func write(name: String, labels: String, to text: inout String) {
        let state = state.withLock { $0 }
        var below: UInt64 = 0
        for (bound, count) in zip(upperBounds + [.infinity], state.counts) {
            below += count
            let bucket = Exposition.adding("le", Exposition.number(bound), to: labels)
            text += Exposition.sample(name + "_bucket", bucket, Double(below))
        }
        text += Exposition.sample(name + "_sum", labels, state.sum)
        text += Exposition.sample(name + "_count", labels, Double(below))
    }
}
