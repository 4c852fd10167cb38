import Models
import Testing

@Suite struct BackoffTests {
    @Test("Waits double up to the maximum, and begin again after a reset")
    func doubling() {
        var backoff = Backoff(initial: .milliseconds(100), maximum: .seconds(5), jitter: false)
        let delays = (0..<8).map { _ in backoff.next() }
        #expect(delays == [100, 200, 400, 800, 1600, 3200, 5000, 5000].map { .milliseconds($0) })
        backoff.reset()
        #expect(backoff.next() == .milliseconds(100))
        #expect(backoff.delay(after: .max) == .seconds(5))
        #expect(backoff.delay(after: .min) == .milliseconds(100))
    }

    @Test("With jitter each wait is between the half and the whole of it, and two clients do not wait alike")
    func jitter() {
        var backoff = Backoff(initial: .milliseconds(400), maximum: .seconds(10), jitter: true)
        var other = backoff
        let delays = (0..<10).map { _ in backoff.next() }
        for (delay, upper) in zip(delays, [0.4, 0.8, 1.6, 3.2, 6.4, 10, 10, 10, 10, 10]) {
            #expect((.seconds(upper / 2) ... .seconds(upper)).contains(delay))
        }
        #expect(delays != (0..<10).map { _ in other.next() })
    }
}
