import Foundation
import HTTPTypes
public import Hummingbird

extension RouterMethods {
    /// Adds the three routes every service has.
    ///
    /// - `/health/live` answers 200 as long as the process answers at all.
    /// - `/health/ready` answers with each check: 200 if the process takes work, 503 if not.
    /// - `/metrics` is for Prometheus.
    ///
    /// - Parameters:
    ///   - readiness: The checks.
    ///   - registry: The metrics.
    public func addHealthRoutes(readiness: Readiness, registry: PrometheusRegistry = .process) {
        get("/health/live") { _, _ in
            Response(text: #"{"status":"live"}"#, type: "application/json")
        }
        get("/health/ready") { _, _ in
            let report = await readiness.report()
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            return Response(
                status: report.takesWork ? .ok : .serviceUnavailable,
                text: String(decoding: try encoder.encode(report), as: UTF8.self),
                type: "application/json"
            )
        }
        get("/metrics") { _, _ in
            Response(text: registry.exposition() + ProcessMetrics.exposition(), type: Exposition.contentType)
        }
    }
}

extension Response {
    fileprivate init(status: HTTPResponse.Status = .ok, text: String, type: String) {
        self.init(
            status: status,
            headers: [.contentType: type, .cacheControl: "no-store"],
            body: ResponseBody(byteBuffer: ByteBuffer(string: text))
        )
    }
}
