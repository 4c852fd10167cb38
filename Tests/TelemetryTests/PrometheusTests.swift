import CoreMetrics
import Testing

@testable import Telemetry

@Suite("Metrics")
struct PrometheusTests {
    private let registry = PrometheusRegistry(maximumSeries: 3)

    @Test("Counters, gauges and their labels are written in a fixed order")
    func countersAndGauges() {
        Counter(label: "uploads", dimensions: [("kind", "video"), ("code", "201")], factory: registry).increment()
        Counter(label: "uploads", dimensions: [("kind", "image"), ("code", "201")], factory: registry).increment(by: 2)
        Counter(label: "uploads", dimensions: [("code", "201"), ("kind", "image")], factory: registry).increment()
        FloatingPointCounter(label: "work", factory: registry).increment(by: 0.5)
        Meter(label: "pool.open", factory: registry).set(7)
        let gauge = Gauge(label: "depth", factory: registry)
        gauge.record(9)
        gauge.record(-1.5)
        #expect(
            registry.exposition() == """
                # HELP depth depth
                # TYPE depth gauge
                depth -1.5
                # HELP pool_open pool.open
                # TYPE pool_open gauge
                pool_open 7
                # HELP uploads_total uploads
                # TYPE uploads_total counter
                uploads_total{code="201",kind="image"} 3
                uploads_total{code="201",kind="video"} 1
                # HELP work_total work
                # TYPE work_total counter
                work_total 0.5

                """
        )
    }

    @Test("A timer is a histogram in seconds whose buckets add up")
    func timers() {
        let timer = Timer(label: "wait", dimensions: [("queue", "a")], factory: registry)
        timer.recordMilliseconds(1)
        timer.recordMilliseconds(40)
        timer.recordSeconds(90)
        let lines = registry.exposition().split(separator: "\n").map(String.init)
        #expect(lines.contains("# TYPE wait_seconds histogram"))
        #expect(lines.contains(#"wait_seconds_bucket{queue="a",le="0.001"} 1"#))
        #expect(lines.contains(#"wait_seconds_bucket{queue="a",le="0.05"} 2"#))
        #expect(lines.contains(#"wait_seconds_bucket{queue="a",le="60"} 2"#))
        #expect(lines.contains(#"wait_seconds_bucket{queue="a",le="+Inf"} 3"#))
        #expect(lines.contains(#"wait_seconds_sum{queue="a"} 90.041"#))
        #expect(lines.contains(#"wait_seconds_count{queue="a"} 3"#))
    }

    @Test("A recorder that aggregates is a histogram of sizes")
    func recorders() {
        Recorder(label: "part_bytes", factory: registry).record(5_000_000)
        let text = registry.exposition()
        #expect(text.contains("part_bytes_bucket{le=\"4194304\"} 0\n"))
        #expect(text.contains("part_bytes_bucket{le=\"16777216\"} 1\n"))
        #expect(text.contains("part_bytes_sum 5000000\n"))
    }

    @Test("Names and labels Prometheus would refuse are made acceptable")
    func escaping() {
        let dimensions = [("path-name", "a\"b\\c\nd"), ("le", "x"), ("9", "y")]
        Counter(label: "3d.http/requests_total", dimensions: dimensions, factory: registry).increment()
        #expect(
            registry.exposition().hasSuffix(
                #"_3d_http_requests_total{_9="y",label_le="x",path_name="a\"b\\c\nd"} 1"# + "\n"
            )
        )
        #expect(Exposition.number(.infinity) == "+Inf")
        #expect(Exposition.number(.nan) == "NaN")
    }

    @Test("Labels past the limit count together, so an address a request cannot fill the memory")
    func bounded() {
        for index in 0..<100 {
            Counter(label: "requests", dimensions: [("path", "\(index)")], factory: registry).increment()
        }
        let lines = registry.exposition().split(separator: "\n").dropFirst(2)
        #expect(lines.count == 4)
        #expect(lines.last == #"requests_total{path="other"} 97"#)
    }

    @Test("A name used for two kinds of metric shows the first and breaks nothing")
    func kindsDiffer() {
        Meter(label: "thing", factory: registry).set(1)
        Recorder(label: "thing", factory: registry).record(5)
        #expect(registry.exposition() == "# HELP thing thing\n# TYPE thing gauge\nthing 1\n")
    }

    @Test("A destroyed metric is gone")
    func destroyed() {
        let counter = Counter(label: "gone", factory: registry)
        counter.increment()
        counter.destroy()
        #expect(!registry.exposition().contains("gone_total 1"))
    }

    @Test("Counting from many tasks loses nothing")
    func concurrent() async {
        await withTaskGroup { group in
            for _ in 0..<8 {
                group.addTask {
                    for _ in 0..<1000 {
                        Counter(label: "hits", factory: registry).increment()
                        Timer(label: "hit", factory: registry).recordNanoseconds(1)
                    }
                }
            }
        }
        #expect(registry.exposition().contains("hits_total 8000\n"))
        #expect(registry.exposition().contains("hit_seconds_count 8000\n"))
    }

    @Test("Every process reports its memory, descriptors, threads and age")
    func process() throws {
        let text = ProcessMetrics.exposition()
        for name in [
            "resident_memory_bytes", "resident_memory_peak_bytes", "open_fds", "threads", "start_time_seconds",
        ] {
            let line = try #require(text.split(separator: "\n").first { $0.hasPrefix("process_\(name) ") })
            #expect(try #require(line.split(separator: " ").last.flatMap { Double($0) }) > 0, "\(line)")
        }
        #expect(text.contains("# TYPE process_cpu_seconds_total counter\n"))
    }
}
