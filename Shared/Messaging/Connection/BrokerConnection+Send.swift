import CRabbitMQ

extension BrokerConnection {
    /// One consumer a channel, so its name need only be known.
    static let consumerTag = "tolva"

    /// Sends a message; `id` comes back with it if no queue takes it.
    func publish(_ message: Message, id: UInt64) throws(BrokerFailure) {
        defer { memory.clear() }
        var properties = amqp_basic_properties_t()
        properties._flags = amqp_flags_t(AMQP_BASIC_DELIVERY_MODE_FLAG | AMQP_BASIC_MESSAGE_ID_FLAG)
        properties.delivery_mode = UInt8(
            message.persistent ? AMQP_DELIVERY_PERSISTENT.rawValue : AMQP_DELIVERY_NONPERSISTENT.rawValue
        )
        properties.message_id = try memory.text(String(id))
        let status = try amqp_basic_publish(
            state,
            Self.channel,
            memory.text(message.exchange),
            memory.text(message.routingKey),
            message.mandatory ? 1 : 0,
            0,
            &properties,
            memory.bytes(message.body)
        )
        try check(status, "publishing")
    }

    /// Tells the broker what became of a delivery.
    func settle(_ tag: UInt64, _ outcome: DeliveryOutcome) throws(BrokerFailure) {
        let status =
            switch outcome {
            case .done: amqp_basic_ack(state, Self.channel, tag, 0)
            case .requeue: amqp_basic_nack(state, Self.channel, tag, 0, 1)
            case .reject: amqp_basic_reject(state, Self.channel, tag, 0)
            }
        try check(status, "settling a delivery")
    }

    /// Asks for no more deliveries; some may be under way.
    func cancelConsumer() throws(BrokerFailure) {
        defer { memory.clear() }
        var cancel = amqp_basic_cancel_t(consumer_tag: try memory.text(Self.consumerTag), nowait: 0)
        try send(AMQP_BASIC_CANCEL_METHOD, on: Self.channel, &cancel)
    }

    /// Asks for one message of a queue. The answer is `delivered` with what belongs to it, or `queueEmpty`.
    func ask(for queue: String) throws(BrokerFailure) {
        defer { memory.clear() }
        var get = amqp_basic_get_t()
        get.queue = try memory.text(queue)
        try send(AMQP_BASIC_GET_METHOD, on: Self.channel, &get)
    }

    /// Asks how many messages are ready in a queue. The answer is `queueDeclared`, or, if there is no such
    /// queue, `channelClosed` of the question channel.
    func askDepth(of queue: String) throws(BrokerFailure) {
        defer { memory.clear() }
        var declare = amqp_queue_declare_t()
        declare.queue = try memory.text(queue)
        declare.passive = 1
        try send(AMQP_QUEUE_DECLARE_METHOD, on: Self.questionChannel, &declare)
    }

    /// Opens the question channel again after the broker has closed it, without waiting for the answers.
    func reopenQuestionChannel() throws(BrokerFailure) {
        var closed = amqp_channel_close_ok_t()
        try send(AMQP_CHANNEL_CLOSE_OK_METHOD, on: Self.questionChannel, &closed)
        var open = amqp_channel_open_t()
        try send(AMQP_CHANNEL_OPEN_METHOD, on: Self.questionChannel, &open)
    }
}
