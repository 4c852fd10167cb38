import Database
import HTTPTypes
import Hummingbird
import NIOCore
import NIOHTTP1
import Passwords
import Storage

extension APIError {
    /// The one place that turns what the modules throw into what a client sees.
    init(mapping error: any Error) {
        switch error {
        case let error as APIError: self = error
        case let error as DatabaseError: self = Self(error)
        case let error as StorageError: self = Self(error)
        case let error as ContentRejection:
            self = APIError(status: .unprocessableContent, code: error.code.rawValue, detail: error.detail)
        case PasswordError.busy: self = .busy
        case let error as HTTPError where error.status == .notFound: self = .noRoute
        case let error as HTTPError:
            self = APIError(
                status: error.status,
                code: "bad_request",
                detail: error.body ?? "The request was not understood."
            )
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

    private init(_ error: StorageError) {
        switch error.kind {
        case .full: self = .storageFull.because(error)
        default: self = .unexpected.because(error)
        }
    }
}
