import Database
import Foundation
import HTTPTypes
import Hummingbird
import Models
import NIOCore
import NIOHTTP1
import Passwords
import Storage

/// A response that is not a success: RFC 9457 problem details with a stable `code` and a `detail` that tells the
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

    func response(requestID: String) -> Response {
        Response(
            status: status,
            headers: allHeaders,
            body: ResponseBody(byteBuffer: body(requestID: requestID))
        )
    }

    /// Its own headers, and those of every problem.
    var allHeaders: HTTPFields {
        var headers = headers
        headers[.contentType] = "application/problem+json"
        headers[.cacheControl] = "no-store"
        return headers
    }

    func body(requestID: String) -> ByteBuffer {
        let problem = ProblemDetails(
            title: status.reasonPhrase,
            status: status.code,
            code: code,
            detail: detail,
            requestId: requestID,
            rejected: rejected.isEmpty ? nil : rejected
        )
        // Texts and numbers always encode; were it otherwise, the status would still be true.
        return (try? JSONBody.encode(problem)) ?? ByteBuffer()
    }

    private struct ProblemDetails: Encodable {
        let type = "about:blank"
        let title: String
        let status: Int
        let code: String
        let detail: String
        let requestId: String
        let rejected: [RejectedFile]?
    }
}

// MARK: - From the modules' errors

extension APIError {
    /// The one place that maps the modules' errors to what a client sees.
    init(mapping error: any Error) {
        switch error {
        case let error as APIError: self = error
        case let error as DatabaseError: self = Self(error)
        case let error as StorageError: self = (error.kind == .full ? Self.storageFull : .unexpected).because(error)
        case let error as ContentRejection:
            let status: HTTPResponse.Status = error.code == .badFilename ? .badRequest : .unprocessableContent
            self = APIError(status, error.code.rawValue, error.detail)
        case PasswordError.busy: self = .busy
        case let error as HTTPError where error.status == .notFound: self = .noRoute
        case let error as HTTPError:
            self = APIError(error.status, "bad_request", error.body ?? "The request was not understood.")
        case is HTTPParserError, is ChannelError: self = .incomplete
        default: self = APIError.unexpected.because(error)
        }
    }

    private init(_ error: DatabaseError) {
        switch error.kind {
        case .poolExhausted: self = .busy.because(error)
        case .unavailable, .connectionLost, .timeout, .cancelled: self = .databaseAway.because(error)
        case .server, .undecodable: self = (error.isTransient ? Self.databaseAway : .unexpected).because(error)
        }
    }
}

// MARK: - The codes and their words

extension APIError {
    init(_ status: HTTPResponse.Status, _ code: String, _ detail: String, _ headers: HTTPFields = [:]) {
        self.init(status: status, code: code, detail: detail, headers: headers)
    }

    // Any request

    static func badRequest(_ code: String, _ detail: String) -> APIError { APIError(.badRequest, code, detail) }

    static func tooLarge(_ code: String, _ detail: String) -> APIError { APIError(.contentTooLarge, code, detail) }

    static func unsupportedMedia(_ detail: String) -> APIError {
        APIError(.unsupportedMediaType, "unsupported_media_type", detail)
    }

    static func notFound(_ what: String) -> APIError {
        APIError(.notFound, "not_found", "There is no \(what) of this id in your company.")
    }

    static let noRoute = APIError(
        .notFound,
        "no_such_route",
        "No call has this method and path; see /openapi.json."
    )

    static func methodNotAllowed(_ allowed: [String]) -> APIError {
        let methods = allowed.joined(separator: ", ")
        return APIError(
            .methodNotAllowed,
            "method_not_allowed",
            "This path takes \(methods); see /openapi.json.",
            [.allow: methods]
        )
    }

    /// Nobody reads this response, but the log says it.
    static let incomplete = badRequest("body_incomplete", "The connection ended before the body. Send it again.")

    static let unexpected = APIError(
        .internalServerError,
        "internal",
        "Something went wrong on our side. Try again; if it stays, tell the operator the request_id."
    )

    static let databaseAway = APIError(
        .serviceUnavailable,
        "database_unavailable",
        "The database cannot be reached. Nothing was lost: send the request again in a few seconds."
    ).retry(after: 5)

    static let busy = APIError(
        .serviceUnavailable,
        "busy",
        "The server is at its limit. Send the request again in a few seconds."
    ).retry(after: 5)

    static let storageFull = APIError(
        .init(code: 507, reasonPhrase: "Insufficient Storage"),
        "storage_full",
        "The server has no room for this upload. Tell its operator; then send it again."
    ).retry(after: 60)

    // Accounts

    static let unauthenticated = APIError(
        .unauthorized,
        "unauthenticated",
        "Sign in with POST /v1/sessions and send its token as “Authorization: Bearer …”.",
        [.wwwAuthenticate: "Bearer"]
    )

    static let wrongCredentials = APIError(
        .unauthorized,
        "wrong_credentials",
        "The e-mail address or the password is wrong.",
        [.wwwAuthenticate: "Bearer"]
    )

    static func tooManyAttempts(retryAfter seconds: Int) -> APIError {
        APIError(
            .tooManyRequests,
            "too_many_attempts",
            "Too many sign-ins failed. Wait a little, then try again."
        ).retry(after: seconds)
    }

    static let forbidden = APIError(
        .forbidden,
        "forbidden",
        "Your role may look, not change. Ask an admin of your company."
    )

    // Items and assets

    static func codeTaken(_ code: String) -> APIError {
        APIError(
            .conflict,
            "code_taken",
            "Your company has an item with the code “\(code)” already. Choose another code."
        )
    }

    static func notFailed(_ status: Asset.Status) -> APIError {
        APIError(.conflict, "not_failed", "Only a failed asset can be retried; this one is \(status.rawValue).")
    }

    // Stored files

    static let fileMissing = APIError(
        .internalServerError,
        "file_missing",
        "The stored file cannot be read. Tell the operator the request_id."
    )

    static let preconditionFailed = APIError(
        .preconditionFailed,
        "precondition_failed",
        "The file is not the one you named."
    )

    static func rangeNotSatisfiable(_ bytes: Int64) -> APIError {
        APIError(
            .rangeNotSatisfiable,
            "range_not_satisfiable",
            "The file has \(bytes) bytes.",
            [.contentRange: "bytes */\(bytes)"]
        )
    }

    // Exports

    static let noItems = APIError(
        .unprocessableContent,
        "no_items",
        "No item of your company meets the selection. Change it, or make an item first."
    )

    static func tooManyItems(_ limit: Int) -> APIError {
        APIError(
            .unprocessableContent,
            "too_many_items",
            "An export may have \(limit) items at most. Choose fewer, or ask for several exports."
        )
    }

    static func unknownItems(_ ids: [ItemID]) -> APIError {
        APIError(
            .unprocessableContent,
            "unknown_items",
            "Your company has no items of these ids: \(ids.map(\.description).joined(separator: ", "))."
                + " Leave out every id it does not have."
        )
    }

    static func tooManyExports(_ unfinished: Int) -> APIError {
        APIError(
            .tooManyRequests,
            "too_many_exports",
            "\(unfinished) exports of your company are not finished yet. Wait for one to end, or delete one."
        ).retry(after: 60)
    }

    static func nothingToRetry(_ status: Export.Status) -> APIError {
        APIError(
            .conflict,
            "nothing_to_retry",
            "Only a failed or an expired export can be built again; this one is \(status.rawValue)."
        )
    }

    static let askedForAgain = APIError(
        .conflict,
        "asked_for_again",
        "The same was asked for again meanwhile, and is being built as another export."
    )

    static func noPart(of parts: Int) -> APIError {
        APIError(.notFound, "not_found", "The export has parts 1 to \(parts).")
    }

    static let partNotReady = APIError(
        .conflict,
        "part_not_ready",
        "This part is not built yet. Ask again when its status is ready."
    )

    static func partFailed(_ reason: String?) -> APIError {
        APIError(.conflict, "part_failed", reason ?? "This part could not be built. Ask for the export again.")
    }

    static let exportExpired = APIError(
        .gone,
        "export_expired",
        "The archives of this export have lived their life and are gone. Ask for the export again."
    )
}
