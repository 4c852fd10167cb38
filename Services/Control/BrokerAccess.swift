import Config
import Logging
import Messaging

extension Publisher {
    private static let patience: Duration = .seconds(8)

    /// Gives a command a publisher that is connected, or that has tried for 8 s, and ends it afterwards.
    static func with<Result, Failure: Error>(
        _ settings: MessagingSettings,
        _ body: (Publisher) async throws(Failure) -> Result
    ) async throws(Failure) -> Result {
        let publisher = Publisher(settings: settings, logger: .silent)
        let run = Task { try await publisher.run() }
        let deadline = ContinuousClock.now + patience
        while case .disconnected = publisher.state, ContinuousClock.now < deadline {
            // Only cancellation ends a sleep early; the deadline then ends the loop.
            try? await Task.sleep(for: .milliseconds(50))
        }
        let outcome: Swift.Result<Result, Failure>
        do throws(Failure) {
            outcome = .success(try await body(publisher))
        } catch {
            outcome = .failure(error)
        }
        run.cancel()
        _ = await run.result
        return try outcome.get()
    }
}

extension DeadLetters {
    /// Gives a command the dead letters of the environment's broker.
    ///
    /// - Parameter body: What the command does; it gets the settings too.
    /// - Returns: What `body` returns.
    /// - Throws: What `body` throws; an error of the broker in the operator's words.
    static func with<Result>(
        _ body: (DeadLetters, MessagingSettings) async throws -> Result
    ) async throws -> Result {
        let settings = try MessagingSettings(reader: .environment())
        do {
            return try await body(DeadLetters(settings: settings), settings)
        } catch let error as MessagingError {
            throw ControlError("\(error). Run: tolvactl doctor")
        }
    }
}
