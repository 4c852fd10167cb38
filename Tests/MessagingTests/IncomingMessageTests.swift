import Testing

@testable import Messaging

@Suite("Incoming message")
struct IncomingMessageTests {
    private func message(of bytes: UInt64, keeping limit: Int = 4) -> IncomingMessage {
        var message = IncomingMessage(tag: 1, redelivered: false, routingKey: "", keeping: limit)
        message.begin(ContentHeader(bodyBytes: bytes, messageID: nil, death: nil))
        return message
    }

    @Test("It is complete with its last byte, and one without a body with its header")
    func complete() {
        #expect(!IncomingMessage(tag: 1, redelivered: false, routingKey: "", keeping: 4).isComplete)
        #expect(message(of: 0).isComplete)
        var two = message(of: 2)
        two.append([1])
        #expect(!two.isComplete)
        two.append([2])
        #expect(two.isComplete)
        #expect(two.body == [1, 2])
    }

    @Test("No more of it is kept than the limit, and it says so")
    func limit() {
        var whole = message(of: 4)
        whole.append([1, 2, 3, 4])
        #expect(whole.isWhole)
        var long = message(of: 9)
        for part in [[1, 2, 3], [4, 5, 6], [7, 8, 9]] as [[UInt8]] { long.append(part) }
        #expect(long.isComplete)
        #expect(!long.isWhole)
        #expect(long.body == [1, 2, 3, 4])
        #expect(long.bodyBytes == 9)
    }
}
