import Testing

@testable import Database

@Suite("The pool's bookkeeping")
struct PoolLedgerTests {
    private let start = ContinuousClock.now
    private let refused = DatabaseError(kind: .unavailable, message: "connection refused")

    @Test("A burst is opened while callers wait and closed when its connections are idle again")
    func burst() {
        let ledger = LedgerScenario(size: 2, burst: 1)
        for ticket in UInt64(1)...4 { _ = ledger.wait(ticket, now: start) }
        #expect(ledger.opening == 3)
        for member in 1...3 { #expect(ledger.opened(member, now: start).lent == [UInt64(member)]) }
        #expect(ledger.open == 3)
        #expect(ledger.waiting == [4])

        #expect(ledger.returned(1, now: start).lent == [4])
        #expect(ledger.returned(1, now: start).closed.isEmpty)
        #expect(ledger.returned(2, now: start).closed.isEmpty)
        #expect(ledger.returned(3, now: start).closed == [3])
        #expect(ledger.open == 2)
        #expect(ledger.idle.count == 2)
    }

    @Test("Callers are served in the order they came, and one that left is passed over")
    func order() {
        let ledger = LedgerScenario(size: 1, burst: 0)
        _ = ledger.wait(1, now: start)
        _ = ledger.opened(7, now: start)
        for ticket in UInt64(2)...4 { #expect(ledger.wait(ticket, now: start).isEmpty) }
        #expect(ledger.leave(2))
        #expect(!ledger.leave(2))
        #expect(ledger.returned(7, now: start).lent == [3])
        #expect(ledger.returned(7, now: start).lent == [4])
    }

    @Test("Everybody who waits is refused when no connection can be opened, and so is who comes right after")
    func outage() {
        let ledger = LedgerScenario(size: 2, burst: 0)
        for ticket in UInt64(1)...5 { _ = ledger.wait(ticket, now: start) }
        #expect(ledger.opening == 2)
        #expect(ledger.openingFailed(refused, now: start).refused.isEmpty, "another is still opening")
        #expect(ledger.openingFailed(refused, now: start).refused == [1, 2, 3, 4, 5])
        #expect(ledger.wait(6, now: start + .milliseconds(150)).refused == [6])
    }

    @Test("A server that was away is asked by one connection at a time, at growing intervals")
    func recovery() {
        let ledger = LedgerScenario(size: 5, burst: 0)
        _ = ledger.wait(1, now: start)
        _ = ledger.openingFailed(refused, now: start)
        let later = start + .milliseconds(100)
        for ticket in UInt64(2)...4 { _ = ledger.wait(ticket, now: later) }
        #expect(ledger.opening == 1)
        #expect(ledger.openingFailed(refused, now: later).refused == [2, 3, 4])
        #expect(ledger.wait(5, now: later + .milliseconds(199)).refused == [5])

        for ticket in UInt64(6)...8 { _ = ledger.wait(ticket, now: later + .milliseconds(200)) }
        #expect(ledger.opened(1, now: later).lent == [6])
        #expect(ledger.opening == 2, "the others get theirs at once")
    }

    @Test("While connections are at work, a refused new one does not fail those who wait")
    func refusedBurst() {
        let ledger = LedgerScenario(size: 2, burst: 0)
        _ = ledger.wait(1, now: start)
        _ = ledger.opened(1, now: start)
        _ = ledger.wait(2, now: start)
        #expect(ledger.openingFailed(refused, now: start).refused.isEmpty)
        #expect(ledger.returned(1, now: start).lent == [2])
        _ = ledger.wait(3, now: start)
        #expect(ledger.lost(now: start).refused == [3], "the last one broke too")
    }

    @Test("A broken connection is replaced for who waits")
    func replacement() {
        let ledger = LedgerScenario(size: 1, burst: 0)
        _ = ledger.wait(1, now: start)
        _ = ledger.opened(1, now: start)
        _ = ledger.wait(2, now: start)
        _ = ledger.lost(now: start)
        #expect(ledger.opening == 1)
        #expect(ledger.opened(2, now: start).lent == [2])
    }

    @Test("A closed pool refuses everybody and keeps nothing")
    func closing() {
        let ledger = LedgerScenario(size: 2, burst: 0)
        for ticket in UInt64(1)...3 { _ = ledger.wait(ticket, now: start) }
        for member in 1...2 { _ = ledger.opened(member, now: start) }
        #expect(ledger.close().refused == [3])
        #expect(ledger.wait(4, now: start).refused == [4])
        #expect(ledger.returned(1, now: start).closed == [1])
        _ = ledger.lost(now: start)
        #expect(ledger.open == 0)
    }
}

/// A ledger, and what it ordered at each step.
private final class LedgerScenario {
    struct Orders {
        var lent: [UInt64] = []
        var refused: [UInt64] = []
        var closed: [Int] = []
        var isEmpty = true
    }

    private var ledger: PoolLedger<Int>

    init(size: Int, burst: Int) {
        ledger = PoolLedger(size: size, burst: burst)
    }

    var idle: [Int] { ledger.idle }
    var open: Int { ledger.open }
    var opening: Int { ledger.opening }
    var waiting: [UInt64] { ledger.waiting }

    func wait(_ ticket: UInt64, now: ContinuousClock.Instant) -> Orders { sorted(ledger.wait(ticket, now: now)) }
    func leave(_ ticket: UInt64) -> Bool { ledger.leave(ticket) }
    func opened(_ member: Int, now: ContinuousClock.Instant) -> Orders { sorted(ledger.opened(member, now: now)) }
    func returned(_ member: Int, now: ContinuousClock.Instant) -> Orders { sorted(ledger.returned(member, now: now)) }
    func lost(now: ContinuousClock.Instant) -> Orders { sorted(ledger.lost(now: now)) }
    func close() -> Orders { sorted(ledger.close()) }

    func openingFailed(_ error: DatabaseError, now: ContinuousClock.Instant) -> Orders {
        sorted(ledger.openingFailed(error, now: now, jitter: 1))
    }

    private func sorted(_ orders: [PoolLedger<Int>.Order]) -> Orders {
        var sorted = Orders(isEmpty: orders.isEmpty)
        for order in orders {
            switch order {
            case .lend(_, let ticket): sorted.lent.append(ticket)
            case .refuse(let ticket, _): sorted.refused.append(ticket)
            case .close(let member): sorted.closed.append(member)
            case .open: break
            }
        }
        return sorted
    }
}
