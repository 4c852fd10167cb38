import HTTPTypes
import Logging
import NIOCore
import NIOEmbedded
import NIOHTTP1
import NIOHTTPTypes
import NIOHTTPTypesHTTP1
import Testing

@testable import API

@Suite("What the codec cannot read")
struct MalformedRequestTests {
    /// A connection with the codec, on which the framework answers as it does.
    private struct Connection {
        let channel = EmbeddedChannel()
        let socket = EmbeddedSocket()

        init() throws {
            var limits = NIOHTTPDecoderLimitConfiguration()
            limits.maxHeaderFieldSize = 1000
            let pipeline = channel.pipeline.syncOperations
            try pipeline.addHandler(socket)
            try pipeline.configureHTTPServerPipeline(
                withPipeliningAssistance: false,
                withErrorHandling: false,
                withOutboundHeaderValidation: false,
                withEncoderConfiguration: .init(),
                withDecoderLimitConfiguration: limits
            )
            try pipeline.addHandler(HTTP1ToHTTPServerCodec(secure: false))
            try pipeline.addHandlers([
                ExpectContinueHandler(), MalformedRequestHandler(logger: Logger(label: "test")),
            ])
            try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        }

        /// The errors reach the framework.
        func receive(_ text: String) {
            #expect(throws: (any Error).self) { try channel.writeInbound(ByteBuffer(string: text)) }
        }

        func answer(_ status: HTTPResponse.Status, _ headers: HTTPFields) {
            channel.writeAndFlush(
                HTTPResponsePart.head(HTTPResponse(status: status, headerFields: headers)),
                promise: nil
            )
            channel.writeAndFlush(HTTPResponsePart.end(nil), promise: nil)
            socket.take()
        }

        func answerBare() { answer(.badRequest, [.connection: "close", .contentLength: "0"]) }

        func sent() throws -> String {
            var text = ""
            while let buffer = try channel.readOutbound(as: ByteBuffer.self) { text += String(buffer: buffer) }
            return text
        }
    }

    @Test("The empty 400 of the framework becomes a problem")
    func replaced() throws {
        let connection = try Connection()
        connection.receive("GET / HTTP/1.1\r\nno header\r\n\r\n")
        // What follows is one more error.
        connection.receive("and more")
        connection.answerBare()
        let answer = try connection.sent()
        #expect(answer.hasPrefix("HTTP/1.1 400 Bad Request\r\n"))
        let body = try #require(answer.split(separator: "\r\n\r\n").last)
        #expect(body.contains("\"code\":\"malformed_request\""))
        #expect(body.contains("\"request_id\":\""))
        let head = answer.lowercased()
        for line in [
            "content-length: \(body.utf8.count)", "connection: close", "cache-control: no-store",
            "x-content-type-options: nosniff",
        ] {
            #expect(head.contains("\(line)\r\n"), "\(line)")
        }
        #expect(!head.contains("content-length: 0\r\n"))
    }

    @Test("A head that is too large is said so, with 431")
    func tooLarge() throws {
        let connection = try Connection()
        connection.receive("GET / HTTP/1.1\r\nAuthorization: \(String(repeating: "a", count: 2000))")
        connection.answerBare()
        let answer = try connection.sent()
        #expect(answer.hasPrefix("HTTP/1.1 431 "))
        #expect(answer.contains("\"code\":\"headers_too_large\""))
    }

    @Test("The connection stays open for a while for what is still coming, and no longer")
    func drained() throws {
        let connection = try Connection()
        connection.receive("nonsense\r\n\r\n")
        connection.answerBare()
        #expect(connection.socket.closes == [.output])
        connection.receive(String(repeating: "x", count: 100_000))
        let loop = connection.channel.embeddedEventLoop
        loop.advanceTime(by: ExpectContinueHandler.quietTime - .milliseconds(1))
        #expect(connection.socket.closes == [.output])
        loop.advanceTime(by: ExpectContinueHandler.drainTime)
        #expect(connection.socket.closes == [.output, .all])
    }

    @Test("A route's own refusal is sent as it is")
    func ownAnswer() throws {
        let connection = try Connection()
        try connection.channel.writeInbound(ByteBuffer(string: "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"))
        connection.receive("zz\r\n")
        connection.answer(.badRequest, [.contentType: "application/problem+json", .contentLength: "0"])
        let answer = try connection.sent().lowercased()
        #expect(answer.hasPrefix("http/1.1 400 bad request\r\n"))
        #expect(answer.contains("content-type: application/problem+json\r\n"))
        #expect(answer.contains("content-length: 0\r\n"))
        #expect(answer.hasSuffix("\r\n\r\n"), "it has the route's own body, which is none")
    }
}
