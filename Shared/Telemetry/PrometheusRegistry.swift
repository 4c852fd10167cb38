import CoreMetrics
import Logging
import Synchronization

/// Keeps every counter, gauge and histogram of the process and writes them as Prometheus reads them.
///
/// Counters end in `_total`; timers are histograms in seconds and end in `_seconds`; recorders that aggregate are
/// histograms with buckets that grow by fours, for bytes and counts. Two metrics with the same name and labels are one
/// series. A metric keeps at most `maximumSeries`: further labels all count in one series whose values are `other`.
final class PrometheusRegistry: MetricsFactory {
    /// What this process counts in once `ServiceRunner` has begun.
    static let process = PrometheusRegistry()

    private let maximumSeries: Int
    private let families = Mutex<[String: MetricFamily]>([:])

    init(maximumSeries: Int = 1000) {
        self.maximumSeries = maximumSeries
    }

    /// Everything, in the text format 0.0.4, in the order of the names.
    func exposition() -> String {
        let families = families.withLock { $0 }
        var text = ""
        for (name, family) in families.sorted(by: { $0.key < $1.key }) {
            text += Exposition.header(name: name, kind: family.kind, help: family.label)
            for (labels, series) in family.series.sorted(by: { $0.key < $1.key }) {
                series.write(name: name, labels: labels, to: &text)
            }
        }
        return text
    }

    func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        series(.counter, label, suffix: "_total", dimensions) { CounterSeries() }
    }

    func makeFloatingPointCounter(
        label: String,
        dimensions: [(String, String)]
    ) -> any FloatingPointCounterHandler {
        series(.counter, label, suffix: "_total", dimensions) { CounterSeries() }
    }

    func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
        series(.gauge, label, dimensions) { GaugeSeries() }
    }

    func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler {
        guard aggregate else { return series(.gauge, label, dimensions) { GaugeSeries() } }
        return series(.histogram, label, dimensions) { HistogramSeries(upperBounds: HistogramSeries.sizes) }
    }

    func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        series(.histogram, label, suffix: "_seconds", dimensions) {
            HistogramSeries(upperBounds: HistogramSeries.seconds)
        }
    }

    func destroyCounter(_ handler: any CounterHandler) { remove(handler) }

    func destroyFloatingPointCounter(_ handler: any FloatingPointCounterHandler) { remove(handler) }

    func destroyMeter(_ handler: any MeterHandler) { remove(handler) }

    func destroyRecorder(_ handler: any RecorderHandler) { remove(handler) }

    func destroyTimer(_ handler: any TimerHandler) { remove(handler) }

    private func series<Series: MetricSeries>(
        _ kind: MetricKind,
        _ label: String,
        suffix: String = "",
        _ dimensions: [(String, String)],
        make: () -> Series
    ) -> Series {
        let base = Exposition.name(label)
        let name = base.hasSuffix(suffix) ? base : base + suffix
        let (found, warning): (Series, MetricFamily.Warning?) = families.withLock { families in
            families[name, default: MetricFamily(kind: kind, label: label)]
                .series(kind, dimensions, atMost: maximumSeries, make: make)
        }
        if let warning {
            Logger(label: "metrics").warning("\(warning.rawValue)", metadata: ["metric": "\(name)"])
        }
        return found
    }

    private func remove(_ handler: AnyObject) {
        families.withLock { families in
            for name in families.keys { families[name]?.remove(handler) }
        }
    }
}

enum MetricKind: String {
    case counter
    case gauge
    case histogram
}

/// The series of one metric, by their labels as they are written.
struct MetricFamily {
    enum Warning: String {
        case tooManySeries = "a metric has too many series: further ones count as \"other\""
        case kindsDiffer = "a metric is counted in two ways: the second one is not shown"
    }

    let kind: MetricKind
    /// Its name as the code writes it.
    let label: String
    private(set) var series: [String: any MetricSeries] = [:]
    private var overflow: (any MetricSeries)?

    init(kind: MetricKind, label: String) {
        self.kind = kind
        self.label = label
    }

    /// Finds or makes the series of some labels, and says what the operator has to know about it, once.
    mutating func series<Series: MetricSeries>(
        _ kind: MetricKind,
        _ dimensions: [(String, String)],
        atMost maximum: Int,
        make: () -> Series
    ) -> (Series, Warning?) {
        let labels = Exposition.labels(dimensions)
        if let known = series[labels] {
            if let known = known as? Series { return (known, nil) }
            return (make(), .kindsDiffer)
        }
        guard kind == self.kind else { return (make(), .kindsDiffer) }
        guard series.count < maximum else {
            if let shared = overflow as? Series { return (shared, nil) }
            let shared = make()
            overflow = shared
            series[Exposition.labels(dimensions.map { ($0.0, "other") })] = shared
            return (shared, .tooManySeries)
        }
        let made = make()
        series[labels] = made
        return (made, nil)
    }

    mutating func remove(_ handler: AnyObject) {
        guard handler !== overflow else { return }
        series = series.filter { $0.value !== handler }
    }
}

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
