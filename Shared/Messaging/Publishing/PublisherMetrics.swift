import Metrics

/// What the publisher counts: messages by outcome, and the time until the broker's confirm.
struct PublisherMetrics: Sendable {
    private let confirmed = Counter(label: "tolva_messaging_published", dimensions: [("outcome", "confirmed")])
    private let unavailable = Counter(label: "tolva_messaging_published", dimensions: [("outcome", "unavailable")])
    private let unroutable = Counter(label: "tolva_messaging_published", dimensions: [("outcome", "unroutable")])
    private let refused = Counter(label: "tolva_messaging_published", dimensions: [("outcome", "refused")])
    private let timeout = Counter(label: "tolva_messaging_published", dimensions: [("outcome", "timeout")])
    private let confirmWait = Timer(label: "tolva_messaging_confirm_wait")

    /// Counts the outcomes of messages that were published together; their wait is the last one's.
    func record(_ results: [Result<Void, MessagingError>], since start: ContinuousClock.Instant) {
        confirmWait.record(duration: .now - start)
        for result in results {
            switch result {
            case .success: confirmed.increment()
            case .failure(.unavailable): unavailable.increment()
            case .failure(.unroutable): unroutable.increment()
            case .failure(.refused): refused.increment()
            case .failure(.timeout): timeout.increment()
            }
        }
    }
}
