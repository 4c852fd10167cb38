import HTTPTypes
import Logging
import NIOCore
import NIOEmbedded
import NIOHTTP1
import NIOHTTPTypes
import NIOHTTPTypesHTTP1
import Testing

@testable import API

@Suite("Expect: 100-continue, and bodies after a refusal")
struct ExpectContinueHandlerTests {
    private static let expecting: HTTPFields = [.expect: "100-Continue"]

    private func connection() throws -> EmbeddedConnection { try EmbeddedConnection([ExpectContinueHandler()]) }

    @Test("A client that expects it is told once to go on, when somebody wants the body")
    func tellsOnce() throws {
        let connection = try connection()
        try connection.receiveHead(Self.expecting)
        #expect(try connection.sentHeads().isEmpty)
        connection.trigger(ExpectContinueHandler.BodyWanted())
        connection.trigger(ExpectContinueHandler.BodyWanted())
        #expect(try connection.sentHeads().map(\.status) == [.continue])
    }

    @Test("Who does not expect it, or sends the body already, is told nothing")
    func tellsNobodyElse() throws {
        let connection = try connection()
        try connection.receiveHead()
        connection.trigger(ExpectContinueHandler.BodyWanted())
        #expect(try connection.sentHeads().isEmpty)
        try connection.receive(.end(nil))
        try connection.receiveHead(Self.expecting)
        try connection.receiveBody(1)
        connection.trigger(ExpectContinueHandler.BodyWanted())
        #expect(try connection.sentHeads().isEmpty)
    }

    @Test("A refusal before the end of the body closes the connection, but only after 4 MiB or the body's end")
    func refusal() throws {
        let connection = try connection()
        try connection.receiveHead(Self.expecting)
        connection.send(.head(HTTPResponse(status: .contentTooLarge)))
        connection.send(.end(nil))
        #expect(connection.socket.closes.isEmpty)
        connection.socket.take()
        #expect(connection.socket.closes == [.output])
        let heads = try connection.sentHeads()
        #expect(heads.map(\.status) == [.contentTooLarge])
        #expect(heads.first?.headerFields[.connection] == "close")
        // Thrown away, and read on.
        #expect(try connection.passedParts() == 1)
        try connection.receiveBody((4 << 20) - 1)
        let reads = connection.socket.reads
        connection.channel.read()
        #expect(connection.socket.reads == reads + 1)
        // Enough: what follows stays with the client.
        try connection.receiveBody(1)
        connection.channel.read()
        #expect(connection.socket.reads == reads + 1)
        #expect(try connection.passedParts() == 0)
        #expect(connection.socket.closes == [.output])
        // A client that can send nothing more reads the response when it is cut off.
        connection.advance(.milliseconds(1999))
        #expect(connection.socket.closes == [.output])
        connection.advance(.milliseconds(1))
        #expect(connection.socket.closes == [.output, .all])
        connection.advance(.seconds(60))
        #expect(connection.socket.closes == [.output, .all])
    }

    @Test("A client that falls silent after a refusal is cut off soon; one that sends, at the end of its time")
    func refusalAndSilence() throws {
        let connection = try connection()
        try connection.receiveHead()
        connection.send(.head(HTTPResponse(status: .contentTooLarge)))
        connection.send(.end(nil))
        connection.advance(.seconds(3))
        #expect(connection.socket.closes.isEmpty, "it has not taken the response")
        connection.socket.take()
        for _ in 0..<3 {
            connection.advance(.milliseconds(1500))
            try connection.receiveBody(1)
        }
        connection.advance(.milliseconds(1999))
        #expect(connection.socket.closes == [.output])
        connection.advance(.milliseconds(1))
        #expect(connection.socket.closes == [.output, .all])

        let dripping = try self.connection()
        try dripping.receiveHead()
        dripping.send(.head(HTTPResponse(status: .contentTooLarge)))
        dripping.send(.end(nil))
        dripping.socket.take()
        for _ in 0..<9 {
            dripping.advance(.seconds(1))
            try dripping.receiveBody(1)
        }
        #expect(dripping.socket.closes == [.output])
        dripping.advance(.seconds(1))
        #expect(dripping.socket.closes == [.output, .all])
    }

    @Test("The body's end ends a refused connection at once")
    func refusalOfShortBody() throws {
        let connection = try connection()
        try connection.receiveHead()
        connection.send(.head(HTTPResponse(status: .forbidden)))
        connection.send(.end(nil))
        connection.socket.take()
        try connection.receiveBody(10)
        try connection.receive(.end(nil))
        #expect(connection.socket.closes == [.output, .all])
    }

    @Test("A refusal after the whole body leaves the connection as it is")
    func refusalAfterBody() throws {
        let connection = try connection()
        try connection.receiveHead()
        try connection.receive(.end(nil))
        connection.send(.head(HTTPResponse(status: .unprocessableContent)))
        connection.send(.end(nil))
        connection.socket.take()
        connection.advance(.seconds(60))
        #expect(connection.socket.closes.isEmpty)
        #expect(try connection.sentHeads().first?.headerFields[.connection] == nil)
    }
}

/// One after the other: the windows are shares of a budget that all of the process have in common.
@Suite("Windows of uploads", .serialized)
struct UploadBackpressureHandlerTests {
    private func connection() throws -> EmbeddedConnection { try EmbeddedConnection([UploadBackpressureHandler()]) }

    /// The most bytes one read may bring, and how many reads are made at once, if they were set.
    private func receiving(_ connection: EmbeddedConnection) -> (largest: Int?, messages: UInt?) {
        let options = connection.channel.options
        let allocator = options.last { $0.value is AdaptiveRecvByteBufferAllocator }?.value
        return (
            (allocator as? AdaptiveRecvByteBufferAllocator)?.maximum,
            options.last { $0.option is ChannelOptions.Types.MaxMessagesPerReadOption }?.value as? UInt
        )
    }

    @Test("Few uploads have large windows, many have small ones, and all together keep to the budget")
    func shares() {
        #expect(UploadBackpressureHandler.window(of: 0) == 2 << 20)
        #expect(UploadBackpressureHandler.window(of: 1) == 2 << 20)
        #expect(UploadBackpressureHandler.window(of: 17) == 1 << 20)
        #expect(UploadBackpressureHandler.window(of: 100) == 128 << 10)
        for uploads in 1...384 { #expect(UploadBackpressureHandler.window(of: uploads) * uploads <= 24 << 20) }
        #expect(UploadBackpressureHandler.window(of: 10_000) == 64 << 10)
    }

    @Test("Nothing is read while a window is full, and reading goes on when its reader has taken some")
    func fullWindow() throws {
        let connection = try connection()
        defer { connection.end() }
        try connection.receiveHead()
        connection.trigger(UploadBackpressureHandler.UploadBegan())
        try connection.receiveBody((2 << 20) - 1)
        let reads = connection.socket.reads
        connection.channel.read()
        #expect(connection.socket.reads == reads + 1)
        try connection.receiveBody(1)
        connection.channel.read()
        connection.channel.read()
        #expect(connection.socket.reads == reads + 1)
        connection.trigger(UploadBackpressureHandler.BytesTaken(count: 1))
        #expect(connection.socket.reads == reads + 2)
        // What was held was one read, not two.
        connection.trigger(UploadBackpressureHandler.BytesTaken(count: 1))
        #expect(connection.socket.reads == reads + 2)
    }

    @Test("An upload is read in large pieces; before and after it a connection has small buffers")
    func buffers() throws {
        let connection = try connection()
        try connection.receiveHead()
        #expect(receiving(connection).largest == nil)
        connection.trigger(UploadBackpressureHandler.UploadBegan())
        #expect(receiving(connection).largest == 1 << 20)
        #expect(receiving(connection).messages == 1)
        try connection.receive(.end(nil))
        #expect(receiving(connection).largest == 64 << 10)
        #expect(receiving(connection).messages == 4)
    }

    @Test("A share is given back at the body's end, at the response and at the connection's, and taken from by others")
    func budget() throws {
        let connections = try (0..<13).map { _ in try connection() }
        for connection in connections {
            try connection.receiveHead()
            connection.trigger(UploadBackpressureHandler.UploadBegan())
        }
        // The thirteenth leaves a mebibyte to each.
        #expect(receiving(connections[11]).largest == 1 << 20)
        #expect(receiving(connections[12]).largest == 512 << 10)
        connections[0].trigger(UploadBackpressureHandler.BytesTaken(count: 1))
        #expect(receiving(connections[0]).largest == 512 << 10)

        try connections[12].receive(.end(nil))
        connections[0].trigger(UploadBackpressureHandler.BytesTaken(count: 1))
        #expect(receiving(connections[0]).largest == 1 << 20)
        // An interim response ends nothing.
        connections[11].send(.head(HTTPResponse(status: .continue)))
        #expect(receiving(connections[11]).messages == 1)
        connections[11].send(.head(HTTPResponse(status: .contentTooLarge)))
        #expect(receiving(connections[11]).messages == 4)
        for connection in connections { connection.end() }
        let last = try connection()
        defer { last.end() }
        try last.receiveHead()
        last.trigger(UploadBackpressureHandler.UploadBegan())
        #expect(receiving(last).largest == 1 << 20)
    }

    @Test("A connection that does not upload is read whatever waits")
    func otherRequests() throws {
        let connection = try connection()
        try connection.receiveHead()
        try connection.receiveBody(4 << 20)
        let reads = connection.socket.reads
        connection.channel.read()
        #expect(connection.socket.reads == reads + 1)
    }
}

@Suite("Closing after a response")
struct FlushBeforeCloseHandlerTests {
    private func connection() throws -> EmbeddedConnection { try EmbeddedConnection([FlushBeforeCloseHandler()]) }

    @Test("A connection is closed when its client has taken the end of the response, and not before")
    func waits() throws {
        let connection = try connection()
        connection.send(.head(HTTPResponse(status: .ok)))
        connection.send(.end(nil))
        connection.channel.close(promise: nil)
        #expect(connection.socket.closes.isEmpty)
        connection.socket.take()
        #expect(connection.socket.closes == [.all])
        connection.advance(.seconds(60))
        #expect(connection.socket.closes == [.all])
    }

    @Test("A client that takes nothing is waited for 20 seconds")
    func waitsNoLonger() throws {
        let connection = try connection()
        connection.send(.end(nil))
        connection.channel.close(promise: nil)
        connection.advance(.milliseconds(19_999))
        #expect(connection.socket.closes.isEmpty)
        connection.advance(.milliseconds(1))
        #expect(connection.socket.closes == [.all])
    }

    @Test("Without the end of a response there is nothing to wait for, nor when only the sending half is closed")
    func closesAtOnce() throws {
        let idle = try connection()
        idle.channel.close(promise: nil)
        #expect(idle.socket.closes == [.all])
        let half = try connection()
        half.send(.end(nil))
        half.channel.close(mode: .output, promise: nil)
        #expect(half.socket.closes == [.output])
    }
}

@Suite("Clients that take nothing of a response")
struct WriteTimeoutHandlerTests {
    private func connection() throws -> EmbeddedConnection {
        try EmbeddedConnection([WriteTimeoutHandler(limit: .seconds(5))])
    }

    @Test("A piece of a body that is not taken in time closes the connection")
    func tooLong() throws {
        let connection = try connection()
        connection.send(.body(ByteBuffer(string: "a")))
        connection.advance(.milliseconds(4999))
        #expect(connection.socket.closes.isEmpty)
        connection.advance(.milliseconds(1))
        #expect(connection.socket.closes == [.all])
    }

    @Test("One that is taken does not, however long the next lets wait for it")
    func inTime() throws {
        let connection = try connection()
        for _ in 0..<3 {
            connection.send(.body(ByteBuffer(string: "a")))
            connection.advance(.seconds(4))
            connection.socket.take()
            connection.advance(.seconds(60))
        }
        #expect(connection.socket.closes.isEmpty)
    }

    @Test("A head may wait for its body")
    func head() throws {
        let connection = try connection()
        connection.send(.head(HTTPResponse(status: .ok)))
        connection.advance(.seconds(60))
        #expect(connection.socket.closes.isEmpty)
    }
}

@Suite("All handlers of a connection")
struct ConnectionHandlersTests {
    @Test("A client whose body is refused half-way is cut off once it has taken the refusal, and not before")
    func refusedBody() throws {
        let connection = try EmbeddedConnection(
            HTTPServer.handlers(writeTimeout: .seconds(5), logger: Logger(label: "test"))
        )
        try connection.receiveHead([.expect: "100-continue"])
        connection.trigger(ExpectContinueHandler.BodyWanted())
        try connection.receiveBody(100)
        connection.send(.head(HTTPResponse(status: .contentTooLarge)))
        connection.send(.body(ByteBuffer(string: "{}")))
        connection.send(.end(nil))
        #expect(try connection.sentHeads().map(\.status) == [.continue, .contentTooLarge])
        try connection.receive(.end(nil))
        // The body's end closes the connection, but the client has not taken the refusal yet.
        #expect(connection.socket.closes.isEmpty)
        connection.socket.take()
        #expect(connection.socket.closes.contains(.all))
    }
}

@Suite("Interim responses")
struct InterimResponseTests {
    @Test("They are for HTTP/1.1 alone: an older client would take one for the answer", arguments: [0, 1])
    func version(minor: Int) throws {
        let channel = EmbeddedChannel()
        try channel.pipeline.syncOperations.addHandlers([
            HTTP1ToHTTPServerCodec(secure: false), ExpectContinueHandler(),
        ])
        try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        let head = HTTPRequestHead(
            version: HTTPVersion(major: 1, minor: minor),
            method: .POST,
            uri: "/",
            headers: ["Host": "a", "Expect": "100-continue"]
        )
        try channel.writeInbound(HTTPServerRequestPart.head(head))
        channel.triggerUserOutboundEvent(ExpectContinueHandler.BodyWanted(), promise: nil)
        let resumption = HTTPResponse(status: .init(code: 104, reasonPhrase: "Upload Resumption Supported"))
        channel.writeAndFlush(HTTPResponsePart.head(resumption), promise: nil)
        channel.writeAndFlush(HTTPResponsePart.head(HTTPResponse(status: .created)), promise: nil)
        var sent: [UInt] = []
        while let part = try channel.readOutbound(as: HTTPServerResponsePart.self) {
            if case .head(let head) = part { sent.append(head.status.code) }
        }
        #expect(sent == (minor == 0 ? [201] : [100, 104, 201]))
    }
}
