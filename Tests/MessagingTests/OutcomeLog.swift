import Synchronization
import Testing

@testable import Messaging

/// Notes what becomes of messages, by their number; a second outcome of the same one fails the test.
final class OutcomeLog: Sendable {
    private let contents = Mutex<[Int: String]>([:])

    var outcomes: [Int: String] { contents.withLock { $0 } }

    func pending(_ number: Int, deadline: ContinuousClock.Instant = .now + .seconds(10)) -> PendingMessage {
        let message = Message(exchange: "", routingKey: "test", body: [])
        return PendingMessage(message: message, deadline: deadline) { outcome in
            self.contents.withLock { contents in
                #expect(contents[number] == nil)
                contents[number] = Self.word(for: outcome)
            }
        }
    }

    private static func word(for outcome: Result<Void, MessagingError>) -> String {
        switch outcome {
        case .success: "confirmed"
        case .failure(.unavailable): "unavailable"
        case .failure(.unroutable): "unroutable"
        case .failure(.refused): "refused"
        case .failure(.timeout): "timeout"
        }
    }
}
