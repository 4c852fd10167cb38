import Foundation
public import Messaging
public import Models

/// Tells whoever listens that an export has changed. The event carries ids; what changed is in the rows.
public struct ExportEvents: Sendable {
    /// The routing key.
    public static let name = "export.updated"

    private let publisher: Publisher

    private struct Body: Encodable {
        let company_id: CompanyID
        let id: ExportID
    }

    /// Publishes through a publisher.
    public init(publisher: Publisher) {
        self.publisher = publisher
    }

    /// Publishes `export.updated`. A broker that is away is no error: the next event, or the next look, tells the same.
    public func updated(_ export: ExportID, of company: CompanyID) async {
        guard let body = try? JSONEncoder().encode(Body(company_id: company, id: export)) else { return }
        _ = try? await publisher.publish(.event(Self.name, body: [UInt8](body)))
    }
}
