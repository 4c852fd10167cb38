import Foundation

/// The text format 0.0.4 of Prometheus, as far as it is written here.
enum Exposition {
    static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    static func header(name: String, kind: MetricKind, help: String) -> String {
        let help = help.replacing("\\", with: #"\\"#).replacing("\n", with: #"\n"#)
        return "# HELP \(name) \(help)\n# TYPE \(name) \(kind.rawValue)\n"
    }

    static func sample(_ name: String, _ labels: String, _ value: Double) -> String {
        labels.isEmpty ? "\(name) \(number(value))\n" : "\(name){\(labels)} \(number(value))\n"
    }

    /// A metric's name: letters, digits, `_` and `:`; anything else becomes `_`.
    static func name(_ label: String) -> String {
        // Almost every one, at each count of each request.
        if label.utf8.allSatisfy({ (0x61...0x7A).contains($0) || $0 == 0x5F }), !label.isEmpty { return label }
        let name = label.map { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == ":") ? $0 : "_" }
        guard let first = name.first, !first.isNumber else { return "_" + String(name) }
        return String(name)
    }

    /// Labels as they stand between braces, in the order of their names; of two with one name the last counts.
    static func labels(_ dimensions: [(String, String)]) -> String {
        guard !dimensions.isEmpty else { return "" }
        let pairs = dimensions.map { (labelName($0.0), $0.1) }
        return Dictionary(pairs) { _, last in last }
            .sorted { $0.key < $1.key }
            .map { "\($0.key)=\"\(escaped($0.value))\"" }
            .joined(separator: ",")
    }

    static func adding(_ name: String, _ value: String, to labels: String) -> String {
        (labels.isEmpty ? "" : labels + ",") + "\(name)=\"\(value)\""
    }

    static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value > 0 ? "+Inf" : "-Inf" }
        return Int64(exactly: value).map(String.init) ?? "\(value)"
    }

    /// `le` belongs to histograms, and names that begin with `__` to Prometheus.
    private static func labelName(_ text: String) -> String {
        var clean = name(text)
        if clean.utf8.contains(UInt8(ascii: ":")) { clean = clean.replacing(":", with: "_") }
        return clean == "le" || clean.hasPrefix("__") ? "label_" + clean : clean
    }

    private static func escaped(_ value: String) -> String {
        guard value.utf8.contains(where: { [0x0A, 0x22, 0x5C].contains($0) }) else { return value }
        return value.replacing("\\", with: #"\\"#).replacing("\"", with: #"\""#).replacing("\n", with: #"\n"#)
    }
}

/// The metrics every process has, read at the moment they are asked for.
enum ProcessMetrics {
    static func exposition() -> String {
        let memory = MemoryUsage.current()
        let metrics: [(String, MetricKind, String, Double)] = [
            ("process_cpu_seconds_total", .counter, "User and system time.", ProcessStatus.cpuSeconds),
            ("process_open_fds", .gauge, "Open descriptors.", Double(ProcessStatus.openDescriptors)),
            ("process_resident_memory_bytes", .gauge, "Resident memory.", Double(memory.resident)),
            ("process_resident_memory_peak_bytes", .gauge, "The most memory ever resident.", Double(memory.peak)),
            (
                "process_start_time_seconds", .gauge, "When the process began, in Unix time.",
                ProcessStatus.start.timeIntervalSince1970
            ),
            ("process_threads", .gauge, "Threads.", Double(ProcessStatus.threads)),
        ]
        return metrics.map { name, kind, help, value in
            Exposition.header(name: name, kind: kind, help: help) + Exposition.sample(name, "", value)
        }.joined()
    }
}
