import CRabbitMQ

/// A value of an AMQP table: arguments of queues, properties of clients.
enum FieldValue: Sendable {
    case text(String)
    case number(Int64)
    case flag(Bool)
    case table([String: FieldValue])
}

/// Memory for the texts and tables of one call into the library; it lives until the next `clear`.
struct CallMemory: ~Copyable {
    private let pool: UnsafeMutablePointer<amqp_pool_t>

    init() {
        pool = .allocate(capacity: 1)
        init_amqp_pool(pool, 4_096)
    }

    deinit {
        empty_amqp_pool(pool)
        pool.deallocate()
    }

    borrowing func clear() {
        recycle_amqp_pool(pool)
    }

    borrowing func text(_ text: String) throws(BrokerFailure) -> amqp_bytes_t {
        try bytes(text.utf8)
    }

    borrowing func bytes(_ source: some Collection<UInt8>) throws(BrokerFailure) -> amqp_bytes_t {
        guard !source.isEmpty else { return amqp_empty_bytes }
        let copy = try UnsafeMutableRawBufferPointer(start: allocate(source.count), count: source.count)
        copy.copyBytes(from: source)
        return amqp_bytes_t(len: copy.count, bytes: copy.baseAddress)
    }

    borrowing func table(_ fields: [String: FieldValue]) throws(BrokerFailure) -> amqp_table_t {
        guard !fields.isEmpty else { return amqp_empty_table }
        let size = fields.count * MemoryLayout<amqp_table_entry_t>.stride
        let entries = try allocate(size).bindMemory(to: amqp_table_entry_t.self, capacity: fields.count)
        for (index, field) in fields.enumerated() {
            entries[index] = amqp_table_entry_t(key: try text(field.key), value: try value(field.value))
        }
        return amqp_table_t(num_entries: Int32(fields.count), entries: entries)
    }

    private borrowing func value(_ value: FieldValue) throws(BrokerFailure) -> amqp_field_value_t {
        var field = amqp_field_value_t()
        switch value {
        case .text(let text):
            field.kind = UInt8(AMQP_FIELD_KIND_UTF8.rawValue)
            field.value.bytes = try self.text(text)
        case .number(let number):
            field.kind = UInt8(AMQP_FIELD_KIND_I64.rawValue)
            field.value.i64 = number
        case .flag(let flag):
            field.kind = UInt8(AMQP_FIELD_KIND_BOOLEAN.rawValue)
            field.value.boolean = flag ? 1 : 0
        case .table(let fields):
            field.kind = UInt8(AMQP_FIELD_KIND_TABLE.rawValue)
            field.value.table = try table(fields)
        }
        return field
    }

    private borrowing func allocate(_ size: Int) throws(BrokerFailure) -> UnsafeMutableRawPointer {
        guard let memory = amqp_pool_alloc(pool, size) else { throw BrokerFailure(reason: "out of memory") }
        return memory
    }
}

extension String {
    /// A copy of text that lies in the library's memory.
    init(_ bytes: amqp_bytes_t) {
        self.init(decoding: UnsafeRawBufferPointer(start: bytes.bytes, count: bytes.len), as: UTF8.self)
    }
}
