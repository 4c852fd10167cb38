public import Logging
public import Models
public import ServiceLifecycle

/// Something that has happened, for whoever listens now. It carries ids; what changed is in the rows.
public struct Event: Sendable {
    /// The routing key on the exchange of events.
    public let name: String
    let body: [UInt8]

    /// `export.updated`: the state of an export, or of a part of it, is another than before.
    public static func exportUpdated(_ export: ExportID, of company: CompanyID) -> Event {
        Event(name: "export.updated", body: Array(#"{"company_id":"\#(company)","id":"\#(export)"}"#.utf8))
    }
}

/// Publishes events without anybody waiting for the broker: what it does not take is dropped, since the next event, or
/// the next look at the rows, tells the same.
public final class EventPublisher: Service {
    /// Past this many that wait, the oldest are dropped.
    private static let capacity = 1000

    private let publisher: Publisher
    private let logger: Logger
    private let events: AsyncStream<Event>
    private let continuation: AsyncStream<Event>.Continuation

    public init(publisher: Publisher, logger: Logger) {
        self.publisher = publisher
        self.logger = logger
        (events, continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(Self.capacity))
    }

    /// Returns at once.
    public func publish(_ event: Event) {
        continuation.yield(event)
    }

    /// Publishes what comes until graceful shutdown.
    public func run() async throws {
        for await event in events.cancelOnGracefulShutdown() {
            do {
                try await publisher.publish(.event(event))
            } catch {
                logger.debug("An event was not published", metadata: ["event": "\(event.name)", "error": "\(error)"])
            }
        }
    }
}
