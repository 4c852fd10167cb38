import ServiceLifecycle

/// Runs `body`, whose links are told when the process stops: politely by a graceful shutdown, at once by
/// cancellation (the grace period is over).
func withStopHandlers(
    _ links: [Link],
    _ body: () async throws -> Void
) async throws {
    try await withTaskCancellationHandler {
        try await withGracefulShutdownHandler {
            try await body()
        } onGracefulShutdown: {
            for link in links { link.drain() }
        }
    } onCancel: {
        for link in links { link.abandon() }
    }
}
