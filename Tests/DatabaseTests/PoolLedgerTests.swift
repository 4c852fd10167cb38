import Testing

@testable import Database

@Suite("The pool's bookkeeping")
struct PoolLedgerTests {
    private let start = ContinuousClock.now
    private let refused = DatabaseError(kind: .unavailable, message: "connection refused")

    @Test("A burst is opened while callers wait and closed when its connections are idle again")
    func burst() {
        var ledger = PoolLedger<Int>(size: 2, burst: 1)
        for ticket in UInt64(1)...4 { _ = ledger.wait(ticket, now: start) }
        #expect(ledger.opening == 3)
        for member in 1...3 { #expect(lent(ledger.opened(member, now: start)) == [UInt64(member)]) }
        #expect(ledger.open == 3)
        #expect(ledger.waiting == [4])

        #expect(lent(ledger.returned(1, now: start)) == [4])
        #expect(closed(ledger.returned(1, now: start)).isEmpty)
        #expect(closed(ledger.returned(2, now: start)).isEmpty)
        #expect(closed(ledger.returned(3, now: start)) == [3])
        #expect(ledger.open == 2)
        #expect(ledger.idle.count == 2)
    }

    @Test("Callers are served in the order they came, and one that left is passed over")
    func order() {
        var ledger = PoolLedger<Int>(size: 1, burst: 0)
        _ = ledger.wait(1, now: start)
        _ = ledger.opened(7, now: start)
        for ticket in UInt64(2)...4 { #expect(ledger.wait(ticket, now: start).isEmpty) }
        #expect(ledger.leave(2))
        #expect(!ledger.leave(2))
        #expect(lent(ledger.returned(7, now: start)) == [3])
        #expect(lent(ledger.returned(7, now: start)) == [4])
    }

    @Test("Everybody who waits is refused when no connection can be opened, and so is who comes right after")
    func outage() {
        var ledger = PoolLedger<Int>(size: 2, burst: 0)
        for ticket in UInt64(1)...5 { _ = ledger.wait(ticket, now: start) }
        #expect(ledger.opening == 2)
        #expect(refused(ledger.openingFailed(refused, now: start, jitter: 1)).isEmpty, "another is still opening")
        #expect(refused(ledger.openingFailed(refused, now: start, jitter: 1)) == [1, 2, 3, 4, 5])
        #expect(refused(ledger.wait(6, now: start + .milliseconds(150))) == [6])
    }

    @Test("A server that was away is asked by one connection at a time, at growing intervals")
    func recovery() {
        var ledger = PoolLedger<Int>(size: 5, burst: 0)
        _ = ledger.wait(1, now: start)
        _ = ledger.openingFailed(refused, now: start, jitter: 1)
        let later = start + .milliseconds(100)
        for ticket in UInt64(2)...4 { _ = ledger.wait(ticket, now: later) }
        #expect(ledger.opening == 1)
        #expect(refused(ledger.openingFailed(refused, now: later, jitter: 1)) == [2, 3, 4])
        #expect(refused(ledger.wait(5, now: later + .milliseconds(199))) == [5])

        for ticket in UInt64(6)...8 { _ = ledger.wait(ticket, now: later + .milliseconds(200)) }
        #expect(lent(ledger.opened(1, now: later)) == [6])
        #expect(ledger.opening == 2, "the others get theirs at once")
    }

    @Test("While connections are at work, a refused new one does not fail those who wait")
    func refusedBurst() {
        var ledger = PoolLedger<Int>(size: 2, burst: 0)
        _ = ledger.wait(1, now: start)
        _ = ledger.opened(1, now: start)
        _ = ledger.wait(2, now: start)
        #expect(refused(ledger.openingFailed(refused, now: start, jitter: 1)).isEmpty)
        #expect(lent(ledger.returned(1, now: start)) == [2])
        _ = ledger.wait(3, now: start)
        #expect(refused(ledger.lost(now: start)) == [3], "the last one broke too")
    }

    @Test("A broken connection is replaced for who waits")
    func replacement() {
        var ledger = PoolLedger<Int>(size: 1, burst: 0)
        _ = ledger.wait(1, now: start)
        _ = ledger.opened(1, now: start)
        _ = ledger.wait(2, now: start)
        _ = ledger.lost(now: start)
        #expect(ledger.opening == 1)
        #expect(lent(ledger.opened(2, now: start)) == [2])
    }

    @Test("A closed pool refuses everybody and keeps nothing")
    func closing() {
        var ledger = PoolLedger<Int>(size: 2, burst: 0)
        for ticket in UInt64(1)...3 { _ = ledger.wait(ticket, now: start) }
        for member in 1...2 { _ = ledger.opened(member, now: start) }
        #expect(refused(ledger.close()) == [3])
        #expect(refused(ledger.wait(4, now: start)) == [4])
        #expect(closed(ledger.returned(1, now: start)) == [1])
        _ = ledger.lost(now: start)
        #expect(ledger.open == 0)
    }

    private func lent(_ orders: [PoolLedger<Int>.Order]) -> [UInt64] {
        orders.compactMap { if case .lend(_, let ticket) = $0 { ticket } else { nil } }
    }

    private func refused(_ orders: [PoolLedger<Int>.Order]) -> [UInt64] {
        orders.compactMap { if case .refuse(let ticket, _) = $0 { ticket } else { nil } }
    }

    private func closed(_ orders: [PoolLedger<Int>.Order]) -> [Int] {
        orders.compactMap { if case .close(let member) = $0 { member } else { nil } }
    }
}
