import Foundation

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
