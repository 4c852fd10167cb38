/// How long to wait before the next attempt to connect: twice as long each time, from 0.2…0.4 s to 5…10 s,
/// at random within the interval so that a fleet does not return all at once.
struct Backoff {
    private static let longest: Duration = .seconds(10)
    private var next: Duration = .milliseconds(400)

    mutating func delay() -> Duration {
        var generator = SystemRandomNumberGenerator()
        return delay(using: &generator)
    }

    mutating func delay(using generator: inout some RandomNumberGenerator) -> Duration {
        let delay = next * Double.random(in: 0.5...1, using: &generator)
        next = min(next * 2, Self.longest)
        return delay
    }
}
