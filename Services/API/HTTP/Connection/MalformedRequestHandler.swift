import HTTPTypes
import Logging
import NIOCore
import NIOHTTP1
import NIOHTTPTypes

/// Refuses what the codec cannot read with a problem, as everything else is refused.
///
/// The codec's error reaches the framework, which answers it with an empty 400 once the requests before it on the
/// connection are answered; that response is replaced here.
final class MalformedRequestHandler: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    private let logger: Logger
    private var error: HTTPParserError?

    init(logger: Logger) {
        self.logger = logger
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // The first one says what is wrong; each packet after it is one more error.
        self.error = self.error ?? error as? HTTPParserError
        context.fireErrorCaught(error)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        // A route whose body could not be read has said so itself.
        guard let error, case .head(let response) = unwrapOutboundIn(data), response.status == .badRequest,
            response.headerFields[.contentType] == nil
        else {
            context.write(data, promise: promise)
            return
        }
        let problem = APIError(unreadable: error)
        let requestID = RequestMiddleware.requestID(nil)
        logger.info(
            "A request could not be read",
            metadata: [
                "request_id": "\(requestID)", "status": "\(problem.status.code)", "cause": "\(error)",
                "client": "\(context.remoteAddress?.ipAddress ?? "")",
            ]
        )
        let body = problem.body(requestID: requestID)
        var headers = problem.allHeaders
        headers[.contentLength] = "\(body.readableBytes)"
        headers[.requestID] = requestID
        headers[.xContentTypeOptions] = "nosniff"
        context.triggerUserOutboundEvent(ExpectContinueHandler.RequestUnreadable(), promise: nil)
        context.write(
            wrapOutboundOut(.head(HTTPResponse(status: problem.status, headerFields: headers))),
            promise: promise
        )
        context.write(wrapOutboundOut(.body(body)), promise: nil)
    }
}

extension APIError {
    fileprivate init(unreadable error: HTTPParserError) {
        switch error {
        case .headerOverflow:
            self.init(
                .requestHeaderFieldsTooLarge,
                "headers_too_large",
                "The head of a request may have \(HTTPServer.maximumHeaderBytes >> 10) KiB and "
                    + "\(HTTPServer.maximumHeaders) headers at most. Sign in again, or shorten it."
            )
        default:
            self.init(
                .badRequest,
                "malformed_request",
                "This is not a request of HTTP/1.1, or has lengths that contradict each other. Correct the client."
            )
        }
    }
}
