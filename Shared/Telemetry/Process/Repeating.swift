import ServiceLifecycle

/// Calls `body` at once and then again `interval` after each time it has returned, until graceful shutdown or
/// cancellation. Neither is an error; a call under way sees itself cancelled and is waited for.
public func repeatUntilShutdown(
    every interval: Duration,
    _ body: @escaping @Sendable () async -> Void
) async {
    await cancelWhenGracefulShutdown {
        while !Task.isCancelled {
            await body()
            // Only cancellation ends a sleep early, and it ends the loop as well.
            try? await Task.sleep(for: interval)
        }
    }
}
