import Foundation
import HTTPTypes
import Hummingbird

/// An answer that is not a success: RFC 9457 problem details with a stable `code` and a `detail` that tells the
/// person what to do.
struct APIError: Error {
    var status: HTTPResponse.Status
    /// Stable: programs decide by it.
    var code: String
    /// For people: what is wrong and what to do.
    var detail: String
    var headers: HTTPFields = [:]
    /// The files of an upload of which none was accepted.
    var rejected: [RejectedFile] = []
    /// What happened inside, for the log only.
    var cause: String?

    func retry(after seconds: Int) -> APIError {
        var error = self
        error.headers[.retryAfter] = "\(seconds)"
        return error
    }

    func because(_ cause: any Error) -> APIError {
        var error = self
        error.cause = "\(cause)"
        return error
    }
}

extension APIError {
    static func badRequest(_ code: String, _ detail: String) -> APIError {
        APIError(status: .badRequest, code: code, detail: detail)
    }

    static func tooLarge(_ code: String, _ detail: String) -> APIError {
        APIError(status: .contentTooLarge, code: code, detail: detail)
    }

    static func unsupportedMedia(_ detail: String) -> APIError {
        APIError(status: .unsupportedMediaType, code: "unsupported_media_type", detail: detail)
    }

    static func notFound(_ what: String) -> APIError {
        APIError(status: .notFound, code: "not_found", detail: "There is no \(what) of this id in your company.")
    }

    static let noRoute = APIError(
        status: .notFound,
        code: "no_such_route",
        detail: "No call has this method and path; see /openapi.json."
    )

    static func methodNotAllowed(_ allowed: [String]) -> APIError {
        let methods = allowed.joined(separator: ", ")
        return APIError(
            status: .methodNotAllowed,
            code: "method_not_allowed",
            detail: "This path takes \(methods); see /openapi.json.",
            headers: [.allow: methods]
        )
    }

    static let unauthenticated = APIError(
        status: .unauthorized,
        code: "unauthenticated",
        detail: "Sign in with POST /v1/sessions and send its token as “Authorization: Bearer …”.",
        headers: [.wwwAuthenticate: "Bearer"]
    )

    static let forbidden = APIError(
        status: .forbidden,
        code: "forbidden",
        detail: "Your role may look, not change. Ask an admin of your company."
    )

    static let preconditionFailed = APIError(
        status: .preconditionFailed,
        code: "precondition_failed",
        detail: "The file is not the one you named."
    )

    /// Nobody reads this answer, but the log says it.
    static let incomplete = badRequest("body_incomplete", "The connection ended before the body. Send it again.")

    static let fileMissing = APIError(
        status: .internalServerError,
        code: "file_missing",
        detail: "The stored file cannot be read. Tell the operator the request_id."
    )

    static let unexpected = APIError(
        status: .internalServerError,
        code: "internal",
        detail: "Something went wrong on our side. Try again; if it stays, tell the operator the request_id."
    )

    static let databaseAway = APIError(
        status: .serviceUnavailable,
        code: "database_unavailable",
        detail: "The database cannot be reached. Nothing was lost: send the request again in a few seconds."
    ).retry(after: 5)

    static let busy = APIError(
        status: .serviceUnavailable,
        code: "busy",
        detail: "The server is at its limit. Send the request again in a few seconds."
    ).retry(after: 5)

    static let storageFull = APIError(
        status: .init(code: 507, reasonPhrase: "Insufficient Storage"),
        code: "storage_full",
        detail: "The server has no room for this upload. Tell its operator; then send it again."
    ).retry(after: 60)
}
