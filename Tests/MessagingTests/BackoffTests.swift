import Testing

@testable import Messaging

@Suite("Backoff")
struct BackoffTests {
    @Test("Waits begin within 0.2…0.4 s, double, and stay within 5…10 s")
    func delays() {
        var backoff = Backoff()
        let delays = (0..<10).map { _ in backoff.delay() }
        for (delay, upper) in zip(delays, [0.4, 0.8, 1.6, 3.2, 6.4, 10, 10, 10, 10, 10]) {
            #expect((.seconds(upper / 2) ... .seconds(upper)).contains(delay))
        }
    }

    @Test("Two clients do not wait alike")
    func jitter() {
        var (one, other) = (Backoff(), Backoff())
        #expect((0..<4).map { _ in one.delay() } != (0..<4).map { _ in other.delay() })
    }
}
