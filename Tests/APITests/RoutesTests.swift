import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Models
import NIOCore
import Testing

@testable import API

@Suite("Routes")
struct RoutesTests {
    @Test("Every file of the page comes with its type and tag, and nothing comes to who has it")
    func page() async throws {
        try await APIFixture.with { client in
            for path in StaticFile.pages.keys {
                let response = try await client.send(.get, path)
                #expect(response.status == .ok)
                #expect(response.body.readableBytes > 0)
                #expect(response.headers[.contentType] != nil)
                #expect(response.headers[.contentSecurityPolicy]?.hasPrefix("default-src 'self';") == true)
                #expect(response.headers[.xContentTypeOptions] == "nosniff")
                let tag = try #require(response.headers[.eTag])
                let again = try await client.send(.get, path, [.ifNoneMatch: tag])
                #expect(again.status == .notModified)
                #expect(again.body.readableBytes == 0)
                #expect(again.headers[.eTag] == tag)
                #expect(try await client.problem(.get, path, [.ifMatch: "\"other\""]).code == "precondition_failed")
            }
        }
    }

    @Test("The description of the API is there for anybody")
    func openAPI() async throws {
        try await APIFixture.with { client in
            let response = try await client.send(.get, "/openapi.json")
            #expect(response.headers[.contentType] == "application/json")
            #expect(response.body == ByteBuffer(bytes: PackageResources.openapi_json))
        }
    }

    @Test("What is refused is a problem with a code, and has the request's id")
    func problems() async throws {
        try await APIFixture.with { client in
            let response = try await client.send(.get, "/v1/nothing", [.requestID: "abc-1"])
            #expect(response.status == .notFound)
            #expect(response.headers[.requestID] == "abc-1")
            #expect(response.headers[.cacheControl] == "no-store")
            let problem = try Problem(response)
            #expect(problem.type == "about:blank")
            #expect(problem.title == "Not Found")
            #expect(problem.status == 404)
            #expect(problem.code == "no_such_route")
            #expect(problem.requestId == "abc-1")
            let members = try JSONDecoder().decode(
                [String: JSONValue].self,
                from: Data(response.body.readableBytesView)
            )
            #expect(members.keys.sorted() == ["code", "detail", "request_id", "status", "title", "type"])
        }
    }

    @Test("A refusal of HEAD has the length of what GET would say, and no byte of it")
    func head() async throws {
        try await APIFixture.with(.member) { client in
            for path in ["/v1/nothing", "/v1/uploads/nothing", "/v1/items/nothing"] {
                let response = try await client.send(.head, path)
                #expect(response.status.code >= 400, "\(path)")
                #expect(response.body.readableBytes == 0, "\(path)")
                #expect(response.headers[.contentLength].flatMap { Int($0) } ?? 0 > 100, "\(path)")
            }
        }
    }

    @Test("A request's id is kept if a log can hold it")
    func requestIDs() async throws {
        #expect(RequestMiddleware.requestID("abc-1.2_3") == "abc-1.2_3")
        for bad in [nil, "", "a b", "a\nb", "é", String(repeating: "a", count: 65)] {
            #expect(RequestMiddleware.requestID(bad) != bad)
            #expect(RequestMiddleware.requestID(bad).count == 36)
        }
    }

    @Test("A method that a path does not take is refused with those it takes")
    func methods() async throws {
        let paths = Dictionary(
            grouping: Routes.open.map { ($0.path, $0.method) } + Routes.signedIn.map { ($0.path, $0.method) },
            by: \.0
        )
        try await APIFixture.with { client in
            for (path, calls) in paths {
                var taken = Set(calls.map { $0.1.rawValue })
                if taken.contains("GET") { taken.insert("HEAD") }
                let response = try await client.send(.trace, path)
                #expect(response.status == .methodNotAllowed, "\(path)")
                #expect(response.headers[.allow] == taken.sorted().joined(separator: ", "), "\(path)")
                #expect(try Problem(response).code == "method_not_allowed", "\(path)")
            }
        }
    }

    @Test("Health is told to anybody")
    func health() async throws {
        try await APIFixture.with { client in
            for path in ["/health/live", "/health/ready", "/metrics"] {
                let response = try await client.send(.get, path)
                #expect(response.status == .ok)
            }
        }
    }
}

@Suite("Who may call")
struct AccessTests {
    private static let headers: HTTPFields = [.tusResumable: "1.0.0", .methodOverride: "PATCH"]

    /// A path of the map as a client writes it.
    private static func path(_ call: Call<UserContext>) -> String {
        call.path.replacing("{id}", with: ItemID.new().description).replacing("{number}", with: "1")
            .replacing("{name}", with: "thumbnail").replacing("{filename}", with: "a.jpg")
    }

    @Test(
        "Without a token that can be one, nothing but signing in is to be had",
        arguments: [nil, "", "Bearer", "Bearer ", "Basic dTpw", "Bearer " + String(repeating: "a", count: 257)]
    )
    func unauthenticated(header: String?) async throws {
        try await APIFixture.with { client in
            var headers: HTTPFields = [:]
            headers[.authorization] = header
            for call in Routes.signedIn {
                let response = try await client.send(call.method, Self.path(call), headers)
                #expect(response.status == .unauthorized, "\(call.method) \(call.path)")
                #expect(response.headers[.wwwAuthenticate] == "Bearer")
                if call.method != .head { #expect(try Problem(response).code == "unauthenticated") }
            }
        }
    }

    @Test("While the database is away no token is known, and who asks is told to come again")
    func databaseAway() async throws {
        try await APIFixture.with { client in
            for request in [("/v1/items", ["Bearer tolva_x"]), ("/v1/exports?ticket=x", [])] {
                var headers: HTTPFields = [:]
                headers[.authorization] = request.1.first
                let response = try await client.send(.get, request.0, headers)
                #expect(response.status == .serviceUnavailable)
                #expect(response.headers[.retryAfter] == "5")
                #expect(try Problem(response).code == "database_unavailable")
            }
        }
    }

    @Test("A viewer looks, and changes nothing")
    func viewers() async throws {
        try await APIFixture.with(.viewer) { client in
            for call in Routes.signedIn {
                let response = try await client.send(call.method, Self.path(call), Self.headers)
                #expect((response.status == .forbidden) == (call.access != .viewer), "\(call.method) \(call.path)")
                guard call.access != .viewer else { continue }
                if call.method != .head { #expect(try Problem(response).code == "forbidden") }
                let mark = call.access == .memberByHandler ? "1.0.0" : nil
                #expect(response.headers[.tusResumable] == mark, "\(call.method) \(call.path)")
            }
        }
    }

    @Test("A member changes things, and so does an admin", arguments: [User.Role.member, .admin])
    func members(role: User.Role) async throws {
        try await APIFixture.with(role) { client in
            for call in Routes.signedIn {
                let response = try await client.send(call.method, Self.path(call), Self.headers)
                #expect(response.status != .forbidden, "\(call.method) \(call.path)")
            }
        }
    }
}

@Suite("What a request holds")
struct RequestInputTests {
    @Test(
        "JSON that is not what a call takes is refused, and what is wrong with it is said",
        arguments: [
            ("", "bad_json", "not valid JSON"),
            ("{", "bad_json", "not valid JSON"),
            (#"{"email":NaN,"password":"x"}"#, "bad_json", "not valid JSON"),
            (#"{"password":"x"}"#, "bad_json", "“email” is missing"),
            (#"{"email":null,"password":"x"}"#, "bad_json", "“email” may not be null"),
            (#"{"email":9223372036854775808,"password":"x"}"#, "bad_json", "“email” has the wrong type"),
            (#"{"email":"a\u0000b","password":"x"}"#, "bad_value", "control characters"),
            (#"{"email":" ","password":"x"}"#, "bad_value", "may not be empty"),
            ("{\0}", "bad_json", "not UTF-8"),
            (String(repeating: "[", count: 10_000), "bad_json", "more than 32 levels"),
            (#"{"email":"# + String(repeating: "[", count: 33) + "}", "bad_json", "more than 32 levels"),
            (#"{"email":"# + String(repeating: "1", count: 65) + "}", "bad_json", "more than 64 characters"),
        ]
    )
    func badJSON(body: String, code: String, detail: String) async throws {
        try await APIFixture.with { client in
            let problem = try await client.problem(.post, "/v1/sessions", json: body)
            #expect(problem.status == 400)
            #expect(problem.code == code)
            #expect(problem.detail.contains(detail), "\(problem.detail)")
        }
    }

    @Test("JSON that is too long or called something else is refused")
    func otherBodies() async throws {
        try await APIFixture.with { client in
            let long = #"{"email":""# + String(repeating: "a", count: 64 << 10) + #"","password":"x"}"#
            let tooLong = try await client.problem(.post, "/v1/sessions", json: long)
            #expect(tooLong.status == 413)
            #expect(tooLong.code == "body_too_large")
            let text = try await client.problem(.post, "/v1/sessions", [.contentType: "text/plain"], json: "{}")
            #expect(text.status == 415)
            #expect(text.code == "unsupported_media_type")
            let packed = try await client.problem(.post, "/v1/sessions", [.contentEncoding: "gzip"], json: "{}")
            #expect(packed.status == 415)
        }
    }

    @Test("Fields that a call does not know are passed over")
    func unknownFields() async throws {
        try await APIFixture.with { client in
            let body = #"{"email":"a@b.c","password":"x","remember":true}"#
            let type: HTTPFields = [.contentType: "application/json; charset=utf-8"]
            let problem = try await client.problem(.post, "/v1/sessions", type, json: body)
            #expect(problem.code == "database_unavailable")
        }
    }

    @Test(
        "An attribute that cannot be stored is refused, and the largest number can be",
        arguments: [
            ("9223372036854775807", "database_unavailable"), ("9223372036854775808", "bad_value"),
            ("-9223372036854775808", "database_unavailable"), ("1e300", "bad_value"), ("NaN", "bad_json"),
            (#""\u0000""#, "bad_value"), (#"{"\u0000":1}"#, "bad_value"), ("[[[1.5]]]", "database_unavailable"),
        ]
    )
    func attributes(value: String, code: String) async throws {
        try await APIFixture.with(.member) { client in
            let body = #"{"code":"EQ-1","attributes":{"a":\#(value)}}"#
            let problem = try await client.problem(.post, "/v1/items", json: body)
            #expect(problem.code == code)
        }
    }

    @Test("A list has 1 to 200 rows a page, and its own cursors", arguments: ["items", "assets", "exports"])
    func pages(list: String) async throws {
        try await APIFixture.with(.viewer) { client in
            for limit in ["0", "201", "-1", "abc", "", "9223372036854775808"] {
                let problem = try await client.problem(.get, "/v1/\(list)?limit=\(limit)")
                #expect(problem.status == 400)
                #expect(problem.code == "bad_limit", "\(limit)")
            }
            for limit in ["1", "200"] {
                #expect(try await client.problem(.get, "/v1/\(list)?limit=\(limit)").code == "database_unavailable")
            }
            let foreign = Cursor.make(UUID(), list: list, company: .new())
            for cursor in ["", "x", foreign] {
                #expect(
                    try await client.problem(.get, "/v1/\(list)?cursor=\(cursor)").code == "bad_cursor",
                    "\(cursor)"
                )
            }
        }
    }

    @Test(
        "A query that two readers would read differently is refused",
        arguments: [
            ("/v1/items?limit=1&limit=2", "bad_query"), ("/v1/items?limit=1&%6Cimit=2", "bad_query"),
            ("/v1/items?q=%FF", "bad_query"), ("/v1/items?q=%zz", "bad_query"), ("/v1/items?q=%0", "bad_query"),
            ("/v1/items?q=a%00b", "bad_value"), ("/v1/assets?kind=film", "bad_filter"),
            ("/v1/assets?status=", "bad_filter"), ("/v1/assets?item_id=x", "bad_filter"),
            ("/v1/exports?status=all", "bad_filter"), ("/v1/items?q=a+b%2B&other=1", "database_unavailable"),
        ]
    )
    func queries(path: String, code: String) async throws {
        try await APIFixture.with(.viewer) { client in
            let problem = try await client.problem(.get, path)
            #expect(problem.code == code)
        }
    }

    @Test("A plus in a query is a space, and an encoded one is a plus")
    func plus() throws {
        let head = HTTPRequest(method: .get, scheme: nil, authority: nil, path: "/?q=a+b%2Bc&empty&%C3%B1=%C3%B1")
        let query = try QueryParameters(Request(head: head, body: RequestBody(buffer: ByteBuffer())))
        #expect(query["q"] == "a b+c")
        #expect(query["empty"] == "")
        #expect(query["ñ"] == "ñ")
        #expect(query["other"] == nil)
    }

    @Test("What is no id is an id nobody has", arguments: ["items", "assets", "exports", "uploads"])
    func ids(list: String) async throws {
        try await APIFixture.with(.member) { client in
            let problem = try await client.problem(.get, "/v1/\(list)/nobody")
            #expect(problem.status == 404)
            #expect(problem.code == "not_found")
        }
    }
}
