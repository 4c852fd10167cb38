import HTTPTypes
import Hummingbird

/// One line of the map of URLs: a method, a path, and who answers.
struct Call<Context: RequestContext>: Sendable {
    typealias Handler = @Sendable (Request, Context) async throws -> Response

    let method: HTTPRequest.Method
    let path: String
    private let handler: @Sendable (Routes) -> Handler

    static func get(_ path: String, _ handler: @escaping @Sendable (Routes) -> Handler) -> Call {
        Call(method: .get, path: path, handler: handler)
    }

    static func head(_ path: String, _ handler: @escaping @Sendable (Routes) -> Handler) -> Call {
        Call(method: .head, path: path, handler: handler)
    }

    static func options(_ path: String, _ handler: @escaping @Sendable (Routes) -> Handler) -> Call {
        Call(method: .options, path: path, handler: handler)
    }

    static func post(_ path: String, _ handler: @escaping @Sendable (Routes) -> Handler) -> Call {
        Call(method: .post, path: path, handler: handler)
    }

    static func put(_ path: String, _ handler: @escaping @Sendable (Routes) -> Handler) -> Call {
        Call(method: .put, path: path, handler: handler)
    }

    static func patch(_ path: String, _ handler: @escaping @Sendable (Routes) -> Handler) -> Call {
        Call(method: .patch, path: path, handler: handler)
    }

    static func delete(_ path: String, _ handler: @escaping @Sendable (Routes) -> Handler) -> Call {
        Call(method: .delete, path: path, handler: handler)
    }

    /// Lets the router know of it.
    func add(to router: some RouterMethods<Context>, of routes: Routes) {
        router.on(RouterPath(path), method: method, use: handler(routes))
    }
}
