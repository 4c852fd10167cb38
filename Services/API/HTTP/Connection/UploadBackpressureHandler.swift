import HTTPTypes
import NIOCore
import NIOHTTPTypes
import Synchronization

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
