import Glibc
import HTTPTypes
import NIOCore
import NIOHTTP1
import NIOHTTPTypes
import NIOHTTPTypesHTTP1
import Synchronization

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

/// Reads uploads in large pieces, and keeps the bytes that wait for their reader within a window.
///
/// Large pieces save a third of the processor's time; but the framework bounds what waits by the number of pieces alone,
/// which would be megabytes a connection. All uploads of the process share one budget: few have large windows, many small
/// ones. Between uploads a connection has the small buffers of every other one.
final class UploadBackpressureHandler: ChannelDuplexHandler, RemovableChannelHandler {
    /// Triggered on the channel when a route is about to read an upload, and will say what it has taken.
    struct UploadBegan: Sendable {}

    /// Triggered on the channel when bytes of an upload no longer wait for their reader.
    struct BytesTaken: Sendable {
        let count: Int
    }

    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    /// Bytes of all windows together; exceeded only by more than 384 uploads.
    private static let budget = 24 << 20
    private static let largest = 2 << 20
    private static let smallest = 64 << 10
    private static let uploads = Atomic(0)

    /// Bytes that may wait; one more piece may be on its way already. 0 while there is no upload.
    private var window = 0
    private var waiting = 0
    private var readIsHeld = false

    /// The window of each of so many uploads, in bytes: a power of two, as the sizes of buffers are.
    static func window(of uploads: Int) -> Int {
        var window = largest
        while window > smallest, window * uploads > budget { window /= 2 }
        return window
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head: waiting = 0
        case .body(let buffer): waiting += buffer.readableBytes
        case .end: close(context)
        }
        context.fireChannelRead(data)
    }

    func read(context: ChannelHandlerContext) {
        if window > 0, waiting >= window {
            readIsHeld = true
        } else {
            context.read()
        }
    }

    func triggerUserOutboundEvent(context: ChannelHandlerContext, event: Any, promise: EventLoopPromise<Void>?) {
        switch event {
        case is UploadBegan: open(context)
        case let taken as BytesTaken:
            waiting = max(0, waiting - taken.count)
            if window > 0 { fitWindow(context) }
            if waiting < window { readHeld(context) }
        default:
            context.triggerUserOutboundEvent(event, promise: promise)
            return
        }
        promise?.succeed(())
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        // A route that answers before the end of a body reads no more of it.
        if case .head(let response) = unwrapOutboundIn(data), response.status.kind != .informational { close(context) }
        context.write(data, promise: promise)
    }

    func channelInactive(context: ChannelHandlerContext) {
        close(context)
        context.fireChannelInactive()
    }

    private func open(_ context: ChannelHandlerContext) {
        guard window == 0 else { return }
        Self.uploads.add(1, ordering: .relaxed)
        fitWindow(context)
    }

    private func close(_ context: ChannelHandlerContext) {
        guard window > 0 else { return }
        window = 0
        Self.uploads.subtract(1, ordering: .relaxed)
        setReceiving(AdaptiveRecvByteBufferAllocator(), messages: 4, context)
        readHeld(context)
    }

    /// Takes this upload's share of the budget, which others may have made smaller or larger.
    private func fitWindow(_ context: ChannelHandlerContext) {
        let share = Self.window(of: Self.uploads.load(ordering: .relaxed))
        guard share != window else { return }
        window = share
        // A piece grows to its largest only while pieces come full: a slow client does not hold much.
        let pieces = AdaptiveRecvByteBufferAllocator(minimum: 4 << 10, initial: 32 << 10, maximum: share / 2)
        setReceiving(pieces, messages: 1, context)
    }

    private func readHeld(_ context: ChannelHandlerContext) {
        guard readIsHeld else { return }
        readIsHeld = false
        context.read()
    }

    private func setReceiving(
        _ allocator: AdaptiveRecvByteBufferAllocator,
        messages: UInt,
        _ context: ChannelHandlerContext
    ) {
        // A connection that is closing takes no options, and needs none.
        try? context.channel.syncOptions?.setOption(.recvAllocator, value: allocator)
        try? context.channel.syncOptions?.setOption(.maxMessagesPerRead, value: messages)
    }
}

/// Keeps clients from sending bodies that nobody reads.
///
/// - `Expect: 100-continue` is answered when a handler asks for the body, so a refusal comes before the body.
/// - A refusal sent while the body is still arriving says `Connection: close`, closes the sending half and reads on for
///   a bounded time. Then reading stops, so that a client (or the nginx in front) that sends as long as it can sees the
///   response rather than a reset; then the connection is closed. That comes soon once nothing more is read: Chromium
///   reads no response before its body is sent or the connection is gone.
final class ExpectContinueHandler: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    /// Triggered on the channel when a route is about to read the body.
    struct BodyWanted: Sendable {}

    /// Triggered before the response to what cannot be read: whatever follows on the connection is part of it.
    struct RequestUnreadable: Sendable {}

    /// How much is read after a refusal, and for how long the connection stays open at most.
    static let drainedBytes = 4 << 20
    static let drainTime = TimeAmount.seconds(10)
    /// How long it stays open when nothing more comes, or is read.
    static let quietTime = TimeAmount.seconds(2)

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
    private var quiet: Scheduled<Void>?
    private let version = HTTPVersionHandler()

    func handlerAdded(context: ChannelHandlerContext) {
        let pipeline = context.pipeline.syncOperations
        // Without the codec, in tests of this handler alone, no request has a version.
        guard let codec = try? pipeline.context(handlerType: HTTP1ToHTTPServerCodec.self) else { return }
        do {
            try pipeline.addHandler(version, position: .before(codec.handler))
        } catch {
            context.fireErrorCaught(error)
        }
    }

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
        switch event {
        case is RequestUnreadable: bodyIsComplete = false
        case is BodyWanted:
            guard expectsContinue, !version.isOld else { break }
            expectsContinue = false
            context.writeAndFlush(wrapOutboundOut(.head(HTTPResponse(status: .continue))), promise: nil)
        default:
            context.triggerUserOutboundEvent(event, promise: promise)
            return
        }
        promise?.succeed(())
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        switch (unwrapOutboundIn(data), state) {
        // HTTP/1.0 knows none, and takes it for the answer (RFC 9110, 15.2).
        case (.head(let response), _) where response.status.kind == .informational && version.isOld:
            promise?.succeed(())
        case (.head(var response), _) where response.status.code >= 400 && !bodyIsComplete:
            state = .refusing
            response.headerFields[.connection] = "close"
            context.write(wrapOutboundOut(.head(response)), promise: promise)
        case (.end(let trailers), .refusing):
            state = .draining(bytes: 0)
            let written = context.eventLoop.makePromise(of: Void.self)
            written.futureResult.cascade(to: promise)
            let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
            let handler = NIOLoopBound(self, eventLoop: context.eventLoop)
            written.futureResult.whenSuccess {
                bound.value.close(mode: .output, promise: nil)
                handler.value.waitForMore(bound.value)
            }
            context.writeAndFlush(wrapOutboundOut(.end(trailers)), promise: written)
            deadline = context.eventLoop.scheduleTask(in: Self.drainTime) { handler.value.end(bound.value) }
        default:
            context.write(data, promise: promise)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        deadline?.cancel()
        quiet?.cancel()
        context.fireChannelInactive()
    }

    /// Closes the connection unless more is read of it soon. A client that was out of reach and has not acknowledged the
    /// response is given all of the time: what it sends afterwards would be answered with a reset.
    private func waitForMore(_ context: ChannelHandlerContext) {
        quiet?.cancel()
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        quiet = context.eventLoop.scheduleTask(in: Self.quietTime) {
            let (handler, context) = bound.value
            if Self.hasUnacknowledged(context) { handler.waitForMore(context) } else { handler.end(context) }
        }
    }

    /// Whether the kernel still holds bytes of ours, or their end, for the client.
    private static func hasUnacknowledged(_ context: ChannelHandlerContext) -> Bool {
        // A connection that has been closed meanwhile throws, and one in memory has no socket: neither holds anything.
        let bytes = try? context.pipeline.syncOperations.withUnsafeTransportIfAvailable(of: CInt.self) { socket in
            var bytes: CInt = 0
            return ioctl(socket, UInt(TIOCOUTQ), &bytes) == 0 ? bytes : 0
        }
        return (bytes ?? 0) > 0
    }

    private func end(_ context: ChannelHandlerContext) {
        deadline?.cancel()
        quiet?.cancel()
        context.close(promise: nil)
    }

    private func drain(_ part: HTTPRequestPart, after bytes: Int, context: ChannelHandlerContext) {
        switch part {
        case .body(let buffer) where bytes + buffer.readableBytes < Self.drainedBytes:
            state = .draining(bytes: bytes + buffer.readableBytes)
            if quiet != nil { waitForMore(context) }
        case .body:
            state = .notReading
            if quiet != nil { waitForMore(context) }
        default:
            end(context)
        }
    }
}

/// Notes whether a client speaks HTTP/1.0: behind the codec no request says so any more.
private final class HTTPVersionHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias InboundOut = HTTPServerRequestPart

    private(set) var isOld = false

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if case .head(let request) = unwrapInboundIn(data) {
            isOld = request.version.major == 1 && request.version.minor == 0
        }
        context.fireChannelRead(data)
    }
}

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
