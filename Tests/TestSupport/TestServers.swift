import Foundation
public import Testing

/// A private server the tests run against. `deploy/local/test` says in variables where it is, and which command stops it.
public struct TestServer: Sendable {
    /// `TEST_DATABASE_URL`, of a user who may create databases, and `TEST_POSTGRES_CONTROL`.
    public static let postgres = TestServer(url: "TEST_DATABASE_URL", control: "TEST_POSTGRES_CONTROL")
    /// `TEST_AMQP_URL` and `TEST_BROKER_CONTROL`, whose command takes `alarm` and `calm` as well.
    public static let broker = TestServer(url: "TEST_AMQP_URL", control: "TEST_BROKER_CONTROL")

    private let urlVariable: String
    private let controlVariable: String

    private init(url: String, control: String) {
        urlVariable = url
        controlVariable = control
    }

    public var url: String {
        get throws {
            guard let url = ProcessInfo.processInfo.environment[urlVariable] else {
                throw CommandFailure(command: "tests", status: nil, message: "\(urlVariable) is not set: use make test")
            }
            return url
        }
    }

    /// Whether whoever started it says how to stop it.
    public var isControllable: Bool { command != nil }

    /// Stops it in order.
    public func stop() async throws { try await control("stop") }

    public func kill() async throws { try await control("kill") }

    /// Starts it again; returns when it takes connections.
    public func start() async throws { try await control("start") }

    /// Stops it while the body runs.
    public func stopped(_ body: () async throws -> Void) async throws {
        try await stop()
        try await withCleanup(body, cleanUp: start)
    }

    /// Kills it, and starts it when the body is through.
    public func killed(_ body: () async throws -> Void) async throws {
        try await kill()
        try await withCleanup(body, cleanUp: start)
    }

    /// Lets the broker be short of memory while the body runs: it takes no messages.
    public func alarmed(_ body: () async throws -> Void) async throws {
        try await control("alarm")
        try await withCleanup(body, cleanUp: { try await control("calm") })
    }

    private var command: String? { ProcessInfo.processInfo.environment[controlVariable] }

    private func control(_ verb: String) async throws {
        guard let command else {
            throw CommandFailure(command: verb, status: nil, message: "\(controlVariable) is not set: use make test")
        }
        // The server would otherwise hold the pipe open for as long as it lives.
        try await run("sh", "-c", "\(command) \(verb) >/dev/null 2>&1 </dev/null")
    }
}

extension Trait where Self == ConditionTrait {
    /// Leaves a test out where nobody says how to stop the broker.
    public static var controlsBroker: Self {
        .enabled(if: TestServer.broker.isControllable, "TEST_BROKER_CONTROL is not set")
    }

    /// Leaves a test out where nobody says how to stop Postgres.
    public static var controlsPostgres: Self {
        .enabled(if: TestServer.postgres.isControllable, "TEST_POSTGRES_CONTROL is not set")
    }
}
