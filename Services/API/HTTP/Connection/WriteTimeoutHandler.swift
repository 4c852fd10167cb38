import NIOCore
import NIOHTTPTypes

/// Closes a connection whose client takes nothing of its response for a while.
///
/// The framework's idle timeout covers requests alone. A client that has gone out of reach in a download, or does not
/// read, would hold its connection and its file for as long as a kernel acknowledges.
final class WriteTimeoutHandler: ChannelOutboundHandler, RemovableChannelHandler {
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    private let limit: TimeAmount

    /// - Parameter limit: How long a piece of a response's body may wait to be taken.
    init(limit: TimeAmount) {
        self.limit = limit
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        // Only pieces of a body are flushed at once: a head may wait for the first of them.
        guard case .body = unwrapOutboundIn(data) else {
            context.write(data, promise: promise)
            return
        }
        let written = promise ?? context.eventLoop.makePromise(of: Void.self)
        let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
        let deadline = context.eventLoop.scheduleTask(in: limit) { bound.value.close(promise: nil) }
        written.futureResult.whenComplete { _ in deadline.cancel() }
        context.write(data, promise: written)
    }
}
