import HTTPTypes
import NIOCore
import NIOHTTPTypes

/// A handler is about to read the body.
struct BodyWanted: Sendable {}

/// Keeps clients from sending bodies nobody wants.
///
/// - `Expect: 100-continue` is answered when a handler asks for the body, so a refusal comes before it.
/// - A refusal that goes out while the body is still coming says `Connection: close`, closes the sending half and
///   reads on for a little. Then it reads nothing more, so that a client, or the nginx in front, that only sends as long
///   as it can looks up and sees the answer rather than a reset; then the connection ends.
final class BodyHandshake: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    /// How much is read after a refusal, and for how long.
    static let drainedBytes = 4 << 20
    static let drainTime = TimeAmount.seconds(10)

    fileprivate enum State {
        /// Nothing unusual.
        case open
        /// The answer under way is a refusal, the body is not complete.
        case refusing
        /// The refusal is out; what still comes is thrown away.
        case draining(bytes: Int)
        /// More came than is read; what comes now stays with its sender.
        case waiting
    }

    private var state = State.open
    private var awaitsContinue = false
    private var bodyIsComplete = true
    private var deadline: Scheduled<Void>?

    func read(context: ChannelHandlerContext) {
        if case .waiting = state { return }
        context.read()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if case .waiting = state { return }
        if case .draining(let bytes) = state {
            drain(unwrapInboundIn(data), after: bytes, context: context)
            return
        }
        switch unwrapInboundIn(data) {
        case .head(let request):
            bodyIsComplete = false
            awaitsContinue = request.headerFields[.expect]?.lowercased() == "100-continue"
        case .body: awaitsContinue = false
        case .end: bodyIsComplete = true
        }
        context.fireChannelRead(data)
    }

    func triggerUserOutboundEvent(context: ChannelHandlerContext, event: Any, promise: EventLoopPromise<Void>?) {
        guard event is BodyWanted else {
            context.triggerUserOutboundEvent(event, promise: promise)
            return
        }
        if awaitsContinue {
            awaitsContinue = false
            context.writeAndFlush(wrapOutboundOut(.head(HTTPResponse(status: .continue))), promise: nil)
        }
        promise?.succeed(())
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        switch unwrapOutboundIn(data) {
        case .head(var response) where response.status.code >= 400 && !bodyIsComplete:
            state = .refusing
            response.headerFields[.connection] = "close"
            context.write(wrapOutboundOut(.head(response)), promise: promise)
        case .end(let trailers) where state.isRefusing:
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
            state = .waiting
        default:
            context.close(promise: nil)
        }
    }
}

extension BodyHandshake.State {
    fileprivate var isRefusing: Bool {
        if case .refusing = self { true } else { false }
    }
}
