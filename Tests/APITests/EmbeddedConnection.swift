import HTTPTypes
import NIOCore
import NIOEmbedded
import NIOHTTPTypes

/// Stands where the socket is: what the handlers want of it is noted, and writes, of whatever kind they are, are taken when
/// the test says so.
final class EmbeddedSocket: ChannelOutboundHandler {
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    private(set) var reads = 0
    private(set) var closes: [CloseMode] = []
    private(set) var pending: [EventLoopPromise<Void>] = []

    func read(context: ChannelHandlerContext) { reads += 1 }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        if let promise { pending.append(promise) }
        context.write(data, promise: nil)
    }

    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        closes.append(mode)
        promise?.succeed(())
    }

    /// Takes everything that has been written.
    func take() {
        let taken = pending
        pending = []
        for promise in taken { promise.succeed(()) }
    }
}

/// A connection with some of the handlers.
struct EmbeddedConnection {
    let channel: EmbeddedChannel
    let socket = EmbeddedSocket()

    init(_ handlers: [any ChannelHandler]) throws {
        channel = EmbeddedChannel()
        try channel.pipeline.syncOperations.addHandlers([socket] + handlers)
        try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
    }

    func receive(_ part: HTTPRequestPart) throws { try channel.writeInbound(part) }

    func receiveHead(_ headers: HTTPFields = [:]) throws {
        let request = HTTPRequest(method: .post, scheme: nil, authority: nil, path: "/", headerFields: headers)
        try receive(.head(request))
    }

    func receiveBody(_ bytes: Int) throws {
        try receive(.body(ByteBuffer(repeating: 0, count: bytes)))
    }

    func send(_ part: HTTPResponsePart) { channel.writeAndFlush(part, promise: channel.eventLoop.makePromise()) }

    func trigger(_ event: any Sendable) { channel.triggerUserOutboundEvent(event, promise: nil) }

    /// The client is gone.
    func end() { channel.pipeline.fireChannelInactive() }

    func advance(_ time: TimeAmount) { channel.embeddedEventLoop.advanceTime(by: time) }

    /// The heads that went out.
    func sentHeads() throws -> [HTTPResponse] {
        var heads: [HTTPResponse] = []
        while let part = try channel.readOutbound(as: HTTPResponsePart.self) {
            if case .head(let head) = part { heads.append(head) }
        }
        return heads
    }

    /// How many parts of requests have come through.
    func passedParts() throws -> Int {
        var parts = 0
        while try channel.readInbound(as: HTTPRequestPart.self) != nil { parts += 1 }
        return parts
    }
}
