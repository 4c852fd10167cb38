import Foundation
public import Logging
public import Models
public import ServiceLifecycle

/// Tells whoever listens that an export has changed. The event carries ids; what changed is in the rows.
///
/// Nobody waits for the broker: what it does not take is dropped, since the next event, or the next look at the rows,
/// tells the same.
public final class ExportEvents: Service {
    /// The routing key.
    public static let name = "export.updated"
    private static let capacity = 1000

    private struct Body: Encodable {
        let company: CompanyID
        let id: ExportID

        enum CodingKeys: String, CodingKey {
            case company = "company_id"
            case id
        }
    }

    private let publisher: Publisher
    private let logger: Logger
    private let changed: AsyncStream<Body>
    private let change: AsyncStream<Body>.Continuation

    /// Publishes through a publisher.
    public init(publisher: Publisher, logger: Logger) {
        self.publisher = publisher
        self.logger = logger
        (changed, change) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(Self.capacity))
    }

    /// Takes the news that an export has changed, and returns at once.
    public func updated(_ export: ExportID, of company: CompanyID) {
        change.yield(Body(company: company, id: export))
    }

    /// Publishes `export.updated` for each change until the process is told to stop.
    public func run() async throws {
        for await body in changed.cancelOnGracefulShutdown() {
            do {
                let bytes = [UInt8](try JSONEncoder().encode(body))
                try await publisher.publish(.event(Self.name, body: bytes))
            } catch {
                logger.debug("An event was not published", metadata: ["event": "\(Self.name)", "error": "\(error)"])
            }
        }
    }
}
