import Foundation
import HTTPTypes
import Hummingbird
import NIOCore

/// RFC 9457, with the members every problem of this API has.
private struct ProblemDetails: Encodable {
    let type = "about:blank"
    let title: String
    let status: Int
    let code: String
    let detail: String
    let requestId: String
    let rejected: [RejectedFile]?
}

extension APIError {
    func response(requestID: String) -> Response {
        let problem = ProblemDetails(
            title: status.reasonPhrase,
            status: status.code,
            code: code,
            detail: detail,
            requestId: requestID,
            rejected: rejected.isEmpty ? nil : rejected
        )
        var headers = headers
        headers[.contentType] = "application/problem+json"
        headers[.cacheControl] = "no-store"
        // Texts and numbers always encode; were it otherwise, the status would still be true.
        return Response(status: status, headers: headers, body: (try? JSONBody.encode(problem)) ?? ResponseBody())
    }
}
