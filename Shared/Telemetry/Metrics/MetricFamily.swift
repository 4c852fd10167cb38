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
