import CoreMetrics
import Glibc
public import Logging

/// Logs and metrics of this process.
public enum Telemetry {
    /// Makes every logger of the process write JSON lines to standard output, and every metric count in
    /// `PrometheusRegistry.process`. Call it once, before anything logs or counts.
    ///
    /// - Parameters:
    ///   - service: The name of the service, as it stands in each line.
    ///   - settings: The level of the logs and the name of this instance.
    /// - Returns: The service's logger.
    public static func bootstrap(service: String, settings: ServiceSettings) -> Logger {
        // A reader of the logs that went away must not take the process with it.
        signal(SIGPIPE, SIG_IGN)
        let output = LogOutput(descriptor: STDOUT_FILENO)
        LoggingSystem.bootstrap { _ in
            var handler = JSONLogHandler(service: service, instance: settings.instance, output: output)
            handler.logLevel = settings.logLevel
            return handler
        }
        MetricsSystem.bootstrap(PrometheusRegistry.process)
        return Logger(label: service)
    }
}
