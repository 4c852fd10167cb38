public import ServiceLifecycle

extension Database: Service {
    /// Closes the pool when the process is told to stop. First in the list of services, it is the last to stop.
    public func run() async throws {
        try? await gracefulShutdown()
        await close()
    }
}
