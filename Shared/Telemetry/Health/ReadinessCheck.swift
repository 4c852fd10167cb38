import Models
import Synchronization

/// One named check. At most one call of it is under way, however long it hangs.
final class ReadinessCheck: Sendable {
    let name: String
    private let body: @Sendable () async -> DependencyStatus
    private let isUnderWay = Atomic(false)

    init(name: String, body: @escaping @Sendable () async -> DependencyStatus) {
        self.name = name
        self.body = body
    }

    /// The answer, or a failure if there is none in time. A call that ignores its cancellation goes on by itself.
    func result(within limit: Duration) async -> DependencyStatus {
        let late = DependencyStatus.failed(
            "no answer within \(limit)",
            action: "See whether \(name) is overloaded or unreachable."
        )
        guard !isUnderWay.exchange(true, ordering: .acquiring) else { return late }
        let (answers, answer) = AsyncStream.makeStream(of: DependencyStatus.self, bufferingPolicy: .bufferingOldest(1))
        let call = Task {
            let result = await body()
            isUnderWay.store(false, ordering: .releasing)
            answer.yield(result)
        }
        let clock = Task {
            try await Task.sleep(for: limit)
            answer.yield(late)
        }
        defer {
            call.cancel()
            clock.cancel()
        }
        return await answers.first { _ in true } ?? late
    }
}
