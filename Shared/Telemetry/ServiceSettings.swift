public import Config
import Glibc
public import Logging

/// The settings every service has: who it is, how it logs, where its health is asked for, how long it may take to stop.
///
/// | variable | default |
/// |---|---|
/// | `LOG_LEVEL` | `info` (trace, debug, info, notice, warning, error, critical) |
/// | `INSTANCE_NAME` | the host's name and the process's id |
/// | `TOLVA_VERSION` | `dev`; images set it |
/// | `HEALTH_HOST` | `0.0.0.0`: probes and Prometheus ask from outside the container |
/// | `HEALTH_PORT` | the service's own (8081 media worker, 8082 ZIP worker) |
/// | `GRACE_PERIOD` | `30s` |
/// | `MEMORY_WARNING_BYTES` | `512MiB` |
public struct ServiceSettings: Sendable {
    /// The least severe level that is logged.
    public let logLevel: Logger.Level
    /// Tells this process from its replicas, in logs and in the list of instances.
    public let instance: String
    public let version: String
    public let healthHost: String
    public let healthPort: Int
    /// How long a process told to stop may take before its work is cancelled.
    public let gracePeriod: Duration
    /// Resident memory, in bytes, above which the process warns.
    public let memoryWarningBytes: Int64

    init(
        logLevel: Logger.Level = .info,
        instance: String = Self.defaultInstance,
        version: String = "dev",
        healthHost: String = "127.0.0.1",
        healthPort: Int = 0,
        gracePeriod: Duration = .seconds(30),
        memoryWarningBytes: Int64 = 512 << 20
    ) {
        self.logLevel = logLevel
        self.instance = instance
        self.version = version
        self.healthHost = healthHost
        self.healthPort = healthPort
        self.gracePeriod = gracePeriod
        self.memoryWarningBytes = memoryWarningBytes
    }

    /// Reads the settings; `healthPort` is the service's own default.
    public init(reader: SettingsReader, healthPort: Int) throws(SettingsError) {
        logLevel = try reader.choice("LOG_LEVEL", default: .info)
        instance = reader.string("INSTANCE_NAME") ?? Self.defaultInstance
        version = reader.string("TOLVA_VERSION") ?? "dev"
        healthHost = reader.string("HEALTH_HOST") ?? "0.0.0.0"
        self.healthPort = try reader.integer("HEALTH_PORT", default: healthPort, in: 1...65_535)
        gracePeriod = try reader.duration("GRACE_PERIOD", default: .seconds(30))
        memoryWarningBytes = try reader.bytes("MEMORY_WARNING_BYTES", default: 512 << 20)
    }

    /// The host's name and the process's id: in a container the first tells replicas apart, on one machine the second.
    static var defaultInstance: String {
        "\(ProcessStatus.host)-\(getpid())"
    }
}
