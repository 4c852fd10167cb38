import HTTPTypes
import Hummingbird

extension Router {
    /// Answers every path that is known, asked for with a method it does not have, with 405 and `Allow`
    /// (RFC 9110, 15.5.6). It comes after the last route.
    func refuseOtherMethods() {
        for (path, known) in Dictionary(grouping: routes, by: \.path.description) {
            var methods = Set(known.map(\.method))
            if methods.contains(.get) { methods.insert(.head) }
            let refusal = APIError.methodNotAllowed(methods.map(\.rawValue).sorted())
            for method in Self.methods where !methods.contains(method) {
                on(RouterPath(path), method: method) { _, _ -> Response in throw refusal }
            }
        }
    }

    private static var methods: [HTTPRequest.Method] {
        [.get, .head, .post, .put, .patch, .delete, .options, .trace] + [HTTPRequest.Method("QUERY")].compactMap(\.self)
    }
}
