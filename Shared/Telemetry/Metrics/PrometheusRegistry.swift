public import CoreMetrics
import Logging
import Synchronization

/// Keeps every counter, gauge and histogram of the process and writes them as Prometheus reads them.
///
/// Counters end in `_total`; timers are histograms in seconds and end in `_seconds`; recorders that aggregate are
/// histograms with buckets that grow by fours, for bytes and counts. Two metrics with the same name and labels are one
/// series. A metric keeps at most `maximumSeries`: further labels all count in one series whose values are `other`.
public final class PrometheusRegistry: MetricsFactory {
    /// What this process counts in once `Telemetry.bootstrap` has run.
    public static let process = PrometheusRegistry()

    private let maximumSeries: Int
    private let families = Mutex<[String: MetricFamily]>([:])

    /// Makes an empty registry.
    public init(maximumSeries: Int = 1000) {
        self.maximumSeries = maximumSeries
    }

    /// Everything, in the text format 0.0.4, in the order of the names.
    public func exposition() -> String {
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

extension PrometheusRegistry {
    /// Gives the counter of these labels.
    public func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        series(.counter, label, suffix: "_total", dimensions) { CounterSeries() }
    }

    /// Gives the counter of these labels.
    public func makeFloatingPointCounter(
        label: String,
        dimensions: [(String, String)]
    ) -> any FloatingPointCounterHandler {
        series(.counter, label, suffix: "_total", dimensions) { CounterSeries() }
    }

    /// Gives the gauge of these labels.
    public func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
        series(.gauge, label, dimensions) { GaugeSeries() }
    }

    /// Gives the histogram of these labels, or the gauge if nothing is to be aggregated.
    public func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler {
        guard aggregate else { return series(.gauge, label, dimensions) { GaugeSeries() } }
        return series(.histogram, label, dimensions) { HistogramSeries(upperBounds: HistogramSeries.sizes) }
    }

    /// Gives the histogram of these labels, in seconds.
    public func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        series(.histogram, label, suffix: "_seconds", dimensions) {
            HistogramSeries(upperBounds: HistogramSeries.seconds)
        }
    }

    /// Forgets the series, for every metric that shares it.
    public func destroyCounter(_ handler: any CounterHandler) { remove(handler) }

    /// Forgets the series, for every metric that shares it.
    public func destroyFloatingPointCounter(_ handler: any FloatingPointCounterHandler) { remove(handler) }

    /// Forgets the series, for every metric that shares it.
    public func destroyMeter(_ handler: any MeterHandler) { remove(handler) }

    /// Forgets the series, for every metric that shares it.
    public func destroyRecorder(_ handler: any RecorderHandler) { remove(handler) }

    /// Forgets the series, for every metric that shares it.
    public func destroyTimer(_ handler: any TimerHandler) { remove(handler) }
}
