import CRabbitMQ

extension BrokerConnection {
    /// Declares exchanges, queues and bindings; those that exist as they should stay as they are.
    func declare(_ topology: Topology) throws(BrokerFailure) {
        for exchange in topology.exchanges { try declare(exchange) }
        for queue in topology.queues { try declare(queue) }
        for binding in topology.bindings { try bind(binding.queue, to: binding.exchange, key: "") }
    }

    private func declare(_ exchange: Topology.Exchange) throws(BrokerFailure) {
        defer { memory.clear() }
        try amqp_exchange_declare(
            state,
            Self.channel,
            memory.text(exchange.name),
            memory.text(exchange.type),
            0,
            1,
            0,
            0,
            amqp_empty_table
        )
        try checkReply("declaring the exchange \(exchange.name)")
    }

    private func declare(_ queue: Topology.Queue) throws(BrokerFailure) {
        defer { memory.clear() }
        try amqp_queue_declare(
            state,
            Self.channel,
            memory.text(queue.name),
            0,
            1,
            0,
            0,
            memory.table(queue.arguments)
        )
        try checkReply("declaring the queue \(queue.name)")
    }

    /// Declares a queue of this connection's own, which goes with it, and gives the name the broker chose.
    func declareListener(to exchange: String, keys: [String]) throws(BrokerFailure) -> String {
        defer { memory.clear() }
        let arguments = try memory.table(Topology.listenerArguments)
        let answer = amqp_queue_declare(state, Self.channel, amqp_empty_bytes, 0, 0, 1, 1, arguments)
        let name = answer.map { String($0.pointee.queue) } ?? ""
        try checkReply("declaring a queue for events")
        for key in keys { try bind(name, to: exchange, key: key) }
        return name
    }

    private func bind(_ queue: String, to exchange: String, key: String) throws(BrokerFailure) {
        defer { memory.clear() }
        try amqp_queue_bind(
            state,
            Self.channel,
            memory.text(queue),
            memory.text(exchange),
            memory.text(key),
            amqp_empty_table
        )
        try checkReply("binding the queue \(queue)")
    }

    /// Asks for a confirm of every message published from now on; their tags count from 1.
    func selectConfirms() throws(BrokerFailure) {
        amqp_confirm_select(state, Self.channel)
        try checkReply("asking for confirms")
    }

    /// Asks for the messages of a queue, at most `prefetch` unsettled ones at a time.
    func consume(_ queue: String, prefetch: Int) throws(BrokerFailure) {
        defer { memory.clear() }
        amqp_basic_qos(state, Self.channel, 0, UInt16(prefetch), 0)
        try checkReply("setting the prefetch")
        try amqp_basic_consume(
            state,
            Self.channel,
            memory.text(queue),
            memory.text(Self.consumerTag),
            0,
            0,
            0,
            amqp_empty_table
        )
        try checkReply("consuming \(queue)")
    }

    /// Deletes the messages of a queue that nobody holds, and gives their number.
    func purge(_ queue: String) throws(BrokerFailure) -> Int {
        defer { memory.clear() }
        let answer = amqp_queue_purge(state, Self.channel, try memory.text(queue))
        let count = answer.map { Int($0.pointee.message_count) } ?? 0
        try checkReply("purging the queue \(queue)")
        return count
    }

    /// Ends the message channel: what was settled on it before is settled then, and the rest goes back to its queues.
    func closeChannel() throws(BrokerFailure) {
        try check(amqp_channel_close(state, Self.channel, AMQP_REPLY_SUCCESS), "closing the channel")
    }

    private func checkReply(_ action: String) throws(BrokerFailure) {
        // Answers lie in the library's memory until it is told that they were used.
        defer { amqp_maybe_release_buffers(state) }
        try check(amqp_get_rpc_reply(state), action)
    }
}
