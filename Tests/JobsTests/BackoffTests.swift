import Models
import Testing

@testable import Jobs

@Suite struct BackoffTests {
    @Test("Each failed attempt doubles the wait, up to ten minutes, and no two wait alike")
    func backoff() {
        for attempt in 1...40 {
            let longest = Duration.seconds(min(600, attempt < 10 ? 1 << attempt : 600))
            let waits = (0..<50).map { _ in JobAttempt.backoff.delay(after: attempt) }
            #expect(waits.allSatisfy { $0 >= longest / 2 && $0 <= longest })
            #expect(Set(waits).count > 40)
        }
    }
}
