import HTTPTypes
import NIOCore
import NIOHTTPTypes

/// Closes a connection when its client has taken the whole answer, and not before.
///
/// A server that stops closes each connection as it hands over the end of the answer: what the socket had not taken by
/// then, megabytes of a download perhaps, would be thrown away.
final class OrderlyClose: ChannelOutboundHandler, RemovableChannelHandler {
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    /// How long a client may take over what is left; less than a process that stops has by default.
    private static let patience = TimeAmount.seconds(20)

    /// The end of the last answer, on its way to the socket.
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
        let deadline = context.eventLoop.scheduleTask(in: Self.patience) { bound.value.close(promise: nil) }
        end.whenComplete { _ in
            deadline.cancel()
            bound.value.close(mode: mode, promise: promise)
        }
    }
}
