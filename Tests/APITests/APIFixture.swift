import Config
import Configuration
import Database
import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Jobs
import Logging
import Messaging
import Models
import NIOCore
import Passwords
import Repositories
import Storage
import Telemetry
import Testing

@testable import API

/// The routes of this service, without a server: over a database and a broker that cannot be reached, and a volume that
/// goes with the test.
enum APIFixture {
    /// Every request is a user's with this role; with none, who sends it is found out as in the real service.
    static func with(
        _ role: User.Role? = nil,
        settings variables: [String: String] = [:],
        _ body: @Sendable (any TestClientProtocol) async throws -> Void
    ) async throws {
        let directory = FileManager.default.temporaryDirectory.appending(path: "api-\(UUID())")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        // Nobody listens at port 1.
        let broker = try MessagingSettings(reader: reader(["AMQP_URL": "amqp://127.0.0.1:1"]))
        let database = Database(settings: DatabaseSettings(url: "postgres://tolva@127.0.0.1:1/tolva"), logger: logger)
        let publisher = Publisher(settings: broker, logger: logger)
        let volumes = [StorageSettings.Location(name: "main", path: directory.path)]
        var routes = Routes(
            settings: try APISettings(reader: reader(variables)),
            database: database,
            storage: try LocalStorage(settings: StorageSettings(volumes: volumes, reserve: 0), logger: logger),
            jobs: JobPublisher(publisher: publisher, database: database, logger: logger),
            events: EventPublisher(publisher: publisher, logger: logger),
            leases: UploadLeases(uploads: UploadRepository(database), logger: logger),
            passwords: PasswordHasher(),
            readiness: Readiness(),
            logger: logger
        )
        if let role { routes.authentication = SignedIn(role) }
        let result = await Result { [routes] in
            try await Application(responder: routes.responder(), logger: logger).test(.router, body)
        }
        await database.close()
        try FileManager.default.removeItem(at: directory)
        try result.get()
    }

    /// One route, `GET /`, as a viewer calls it.
    static func with<Value>(
        _ handler: @escaping Call<UserContext>.Handler,
        _ body: @Sendable (any TestClientProtocol) async throws -> Value
    ) async throws -> Value {
        let router = Router(context: APIContext.self, options: .autoGenerateHeadEndpoints)
        router.add(
            middleware: RequestMiddleware(
                address: PublicAddress(trustsProxy: false),
                crossOrigin: CrossOrigin(origins: [])
            )
        )
        router.group().add(middleware: SignedIn(.viewer)).group(context: UserContext.self).get("/", use: handler)
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        return try await Application(responder: router.buildResponder(), logger: logger).test(.router, body)
    }

    static func reader(_ variables: [String: String]) -> SettingsReader {
        SettingsReader(ConfigReader(provider: EnvironmentVariablesProvider(environmentVariables: variables)))
    }
}

/// Takes every request for one user's.
struct SignedIn: RouterMiddleware {
    typealias Context = APIContext

    private let user: User

    init(_ role: User.Role) {
        user = User(id: .new(), company: .new(), email: "user@example.org", role: role)
    }

    @concurrent func handle(
        _ request: Request,
        context: APIContext,
        next: @concurrent (Request, APIContext) async throws -> Response
    ) async throws -> Response {
        var context = context
        context.user = user
        return try await next(request, context)
    }
}

/// The problem in a response, as clients read it.
struct Problem: Decodable {
    let type: String
    let title: String
    let status: Int
    let code: String
    let detail: String
    let requestId: String

    init(_ response: TestResponse) throws {
        try #require(response.headers[.contentType] == "application/problem+json", "\(response.status)")
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        self = try decoder.decode(Problem.self, from: Data(response.body.readableBytesView))
    }
}

extension TestClientProtocol {
    func send(
        _ method: HTTPRequest.Method,
        _ path: String,
        _ headers: HTTPFields = [:],
        json: String? = nil
    ) async throws -> TestResponse {
        try await execute(uri: path, method: method, headers: headers, body: json.map { ByteBuffer(string: $0) })
    }

    /// What a request that is refused is refused with.
    func problem(
        _ method: HTTPRequest.Method,
        _ path: String,
        _ headers: HTTPFields = [:],
        json: String? = nil
    ) async throws -> Problem {
        try Problem(try await send(method, path, headers, json: json))
    }
}

extension Result where Failure == any Error {
    init(_ body: () async throws -> Success) async {
        do { self = .success(try await body()) } catch { self = .failure(error) }
    }
}
