import Synchronization

/// One place for the result of each turn.
final class Slots<Value: Sendable>: Sendable {
    private let slots: Mutex<[Value?]>

    init(count: Int) {
        slots = Mutex(Array(repeating: nil, count: count))
    }

    subscript(index: Int) -> Value? {
        get { slots.withLock { $0[index] } }
        set { slots.withLock { $0[index] = newValue } }
    }

    /// The results that are there, in the order of their turns. None are left here.
    func take() -> [Value] {
        slots.withLock { slots in
            var values: [Value] = []
            values.reserveCapacity(slots.count)
            for value in slots { if let value { values.append(value) } }
            slots = []
            return values
        }
    }
}
