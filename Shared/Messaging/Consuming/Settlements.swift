import Synchronization

/// What became of deliveries, on the way from their handlers to the connection's thread.
final class Settlements: Sendable {
    struct Settlement: Sendable {
        let tag: UInt64
        let outcome: DeliveryOutcome
    }

    private struct Contents {
        var connection = 0
        var settlements = FIFO<Settlement>()
        var areHandlersDone = false
    }

    private let contents = Mutex(Contents())

    /// Begins with a new connection; gives its number. What is still said of an older connection's
    /// deliveries is dropped: the broker has them back already, and delivers them again.
    func beginConnection() -> Int {
        contents.withLock { contents in
            contents.connection += 1
            contents.settlements = FIFO()
            return contents.connection
        }
    }

    func isCurrent(_ connection: Int) -> Bool { contents.withLock { $0.connection == connection } }

    func add(_ settlement: Settlement, of connection: Int) {
        contents.withLock { contents in
            if contents.connection == connection { contents.settlements.append(settlement) }
        }
    }

    func take() -> Settlement? { contents.withLock { $0.settlements.popFirst() } }

    var isEmpty: Bool { contents.withLock { $0.settlements.isEmpty } }

    /// No handler runs any more, and none will.
    func finish() { contents.withLock { $0.areHandlersDone = true } }

    var isFinished: Bool { contents.withLock { $0.areHandlersDone && $0.settlements.isEmpty } }
}
