import HTTPTypes
import NIOCore
import NIOHTTPTypes

/// Delays closing a connection until its client has taken the whole response.
///
/// A server that stops closes each connection as it hands over the end of the response: what the socket had not taken by
/// then, megabytes of a download perhaps, would be lost.
final class FlushBeforeCloseHandler: ChannelOutboundHandler, RemovableChannelHandler {
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    /// How long a client may take over what is left; shorter than a process that stops has by default.
    static let timeout = TimeAmount.seconds(20)

    /// The end of the last response, on its way to the socket.
    private var end: EventLoopFuture<Void>?

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard case .end = unwrapOutboundIn(data) else {
            context.write(data, promise: promise)
            return
        }
        let written = promise ?? context.eventLoop.makePromise(of: Void.self)
        end = written.futureResult
        context.write(data, promise: written)
    }

    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        guard mode == .all, let end else {
            context.close(mode: mode, promise: promise)
            return
        }
        let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
        let deadline = context.eventLoop.scheduleTask(in: Self.timeout) { bound.value.close(promise: nil) }
        end.whenComplete { _ in
            deadline.cancel()
            bound.value.close(mode: mode, promise: promise)
        }
    }
}
