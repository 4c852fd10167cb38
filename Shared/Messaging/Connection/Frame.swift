import CRabbitMQ

/// What the broker says, copied out of the library's memory.
enum Frame {
    /// Messages up to a tag (or just that one) are stored.
    case confirmed(tag: UInt64, multiple: Bool)
    /// Messages up to a tag (or just that one) are not.
    case refused(tag: UInt64, multiple: Bool)
    /// A mandatory message comes back; its header follows, and its confirm after that.
    case returned(reason: String)
    /// A message for the consumer, or the one that was asked for; its header and body follow.
    case delivered(tag: UInt64, redelivered: Bool, routingKey: String)
    case header(ContentHeader)
    case body([UInt8])
    case consumerCancelled
    /// The queue that was asked for a message has none.
    case queueEmpty
    case queueDeclared(ready: Int)
    case channelClosed(channel: amqp_channel_t, reason: String)
    case connectionClosed(reason: String)
    case blocked(reason: String)
    case unblocked
    /// An answer nobody waits for.
    case other
}

extension Frame {
    init(_ frame: amqp_frame_t) {
        switch Int32(frame.frame_type) {
        case AMQP_FRAME_METHOD:
            self = Self.method(frame.payload.method, channel: frame.channel)
        case AMQP_FRAME_HEADER:
            self = .header(ContentHeader(frame.payload.properties.body_size, frame.payload.properties.decoded))
        case AMQP_FRAME_BODY:
            let bytes = frame.payload.body_fragment
            self = .body(Array(UnsafeRawBufferPointer(start: bytes.bytes, count: bytes.len)))
        default:
            self = .other
        }
    }

    private static func method(_ method: amqp_method_t, channel: amqp_channel_t) -> Frame {
        func fields<Fields>(_ type: Fields.Type) -> Fields {
            method.decoded.assumingMemoryBound(to: type).pointee
        }
        switch method.id {
        case AMQP_BASIC_ACK_METHOD:
            let ack = fields(amqp_basic_ack_t.self)
            return .confirmed(tag: ack.delivery_tag, multiple: ack.multiple != 0)
        case AMQP_BASIC_NACK_METHOD:
            let nack = fields(amqp_basic_nack_t.self)
            return .refused(tag: nack.delivery_tag, multiple: nack.multiple != 0)
        case AMQP_BASIC_RETURN_METHOD:
            let returned = fields(amqp_basic_return_t.self)
            let address = "exchange \"\(String(returned.exchange))\", key \"\(String(returned.routing_key))\""
            return .returned(reason: "\(String(returned.reply_text)) (\(address))")
        case AMQP_BASIC_DELIVER_METHOD:
            let delivery = fields(amqp_basic_deliver_t.self)
            return .delivered(
                tag: delivery.delivery_tag,
                redelivered: delivery.redelivered != 0,
                routingKey: String(delivery.routing_key)
            )
        case AMQP_BASIC_GET_OK_METHOD:
            let message = fields(amqp_basic_get_ok_t.self)
            return .delivered(
                tag: message.delivery_tag,
                redelivered: message.redelivered != 0,
                routingKey: String(message.routing_key)
            )
        case AMQP_BASIC_GET_EMPTY_METHOD:
            return .queueEmpty
        case AMQP_BASIC_CANCEL_METHOD:
            return .consumerCancelled
        case AMQP_QUEUE_DECLARE_OK_METHOD:
            return .queueDeclared(ready: Int(fields(amqp_queue_declare_ok_t.self).message_count))
        case AMQP_CHANNEL_CLOSE_METHOD:
            return .channelClosed(channel: channel, reason: String(fields(amqp_channel_close_t.self).reply_text))
        case AMQP_CONNECTION_CLOSE_METHOD:
            return .connectionClosed(reason: String(fields(amqp_connection_close_t.self).reply_text))
        case AMQP_CONNECTION_BLOCKED_METHOD:
            return .blocked(reason: String(fields(amqp_connection_blocked_t.self).reason))
        case AMQP_CONNECTION_UNBLOCKED_METHOD:
            return .unblocked
        default:
            return .other
        }
    }
}
