import HTTPTypes
import NIOCore
import NIOHTTPTypes

/// Keeps clients from sending bodies that nobody reads.
///
/// - `Expect: 100-continue` is answered when a handler asks for the body, so a refusal comes before the body.
/// - A refusal sent while the body is still arriving says `Connection: close`, closes the sending half and reads on for
///   a bounded time. Then reading stops, so that a client (or the nginx in front) that sends as long as it can sees the
///   response rather than a reset; then the connection is closed.
final class ExpectContinueHandler: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    /// Triggered on the channel when a route is about to read the body.
    struct BodyWanted: Sendable {}

    /// How much is read after a refusal, and for how long the connection stays open.
    static let drainedBytes = 4 << 20
    static let drainTime = TimeAmount.seconds(10)

    private enum State {
        case open
        /// The response under way is a refusal, and the body is not complete.
        case refusing
        /// The refusal is out; what still comes is thrown away.
        case draining(bytes: Int)
        /// `drainedBytes` have come; what follows stays with its sender.
        case notReading
    }

    private var state = State.open
    private var expectsContinue = false
    private var bodyIsComplete = true
    private var deadline: Scheduled<Void>?

    func read(context: ChannelHandlerContext) {
        if case .notReading = state { return }
        context.read()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch state {
        case .notReading: return
        case .draining(let bytes):
            drain(unwrapInboundIn(data), after: bytes, context: context)
            return
        case .open, .refusing: break
        }
        switch unwrapInboundIn(data) {
        case .head(let request):
            bodyIsComplete = false
            expectsContinue = request.headerFields[.expect]?.lowercased() == "100-continue"
        case .body: expectsContinue = false
        case .end: bodyIsComplete = true
        }
        context.fireChannelRead(data)
    }

    func triggerUserOutboundEvent(context: ChannelHandlerContext, event: Any, promise: EventLoopPromise<Void>?) {
        guard event is BodyWanted else {
            context.triggerUserOutboundEvent(event, promise: promise)
            return
        }
        if expectsContinue {
            expectsContinue = false
            context.writeAndFlush(wrapOutboundOut(.head(HTTPResponse(status: .continue))), promise: nil)
        }
        promise?.succeed(())
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        switch (unwrapOutboundIn(data), state) {
        case (.head(var response), _) where response.status.code >= 400 && !bodyIsComplete:
            state = .refusing
            response.headerFields[.connection] = "close"
            context.write(wrapOutboundOut(.head(response)), promise: promise)
        case (.end(let trailers), .refusing):
            state = .draining(bytes: 0)
            let written = context.eventLoop.makePromise(of: Void.self)
            written.futureResult.cascade(to: promise)
            let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
            written.futureResult.whenSuccess { bound.value.close(mode: .output, promise: nil) }
            context.writeAndFlush(wrapOutboundOut(.end(trailers)), promise: written)
            deadline = context.eventLoop.scheduleTask(in: Self.drainTime) { bound.value.close(promise: nil) }
        default:
            context.write(data, promise: promise)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        deadline?.cancel()
        context.fireChannelInactive()
    }

    private func drain(_ part: HTTPRequestPart, after bytes: Int, context: ChannelHandlerContext) {
        switch part {
        case .body(let buffer) where bytes + buffer.readableBytes < Self.drainedBytes:
            state = .draining(bytes: bytes + buffer.readableBytes)
        case .body:
            state = .notReading
        default:
            context.close(promise: nil)
        }
    }
}
