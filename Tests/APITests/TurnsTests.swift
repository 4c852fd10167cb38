import HTTPTypes
import Models
import Testing

@testable import API

@Suite("Turns of one sender's requests")
struct TurnsTests {
    private let turns = Turns<UserID>(limit: 2)
    private let user = UserID.new()
    private let work = HeldWork()

    @Test("As many as are allowed begin at once, the others in the order they came; another user's do not wait")
    func order() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<4 {
                group.addTask { try await turns.take(user) { await work.hold(number) } }
                while await work.begun.count + turns.waiting(of: user) <= number { await Task.yield() }
            }
            #expect(await work.begun == [0, 1])
            group.addTask { try await turns.take(.new()) { await work.hold(9) } }
            await work.begin(3)
            #expect(await work.begun == [0, 1, 9])
            for (ended, next) in [(1, 2), (0, 3)] {
                await work.end(ended)
                await work.begin(next + 2)
                #expect(await work.begun.last == next)
            }
            for number in [2, 3, 9] { await work.end(number) }
            try await group.waitForAll()
        }
    }

    @Test("Past 200 that wait, a request is refused, and those are worked on")
    func full() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<2 { group.addTask { try await turns.take(user) { await work.hold(number) } } }
            await work.begin(2)
            for _ in 0..<Turns<UserID>.maximumWaiting { group.addTask { try await turns.take(user) {} } }
            while turns.waiting(of: user) < Turns<UserID>.maximumWaiting { await Task.yield() }
            let refusal = await #expect(throws: APIError.self) { try await turns.take(user) {} }
            #expect(refusal?.code == "too_many_requests")
            #expect(refusal?.headers[.retryAfter] == "1")
            for number in 0..<2 { await work.end(number) }
            try await group.waitForAll()
        }
    }

    @Test("A turn begins once, and one that has not begun ends nobody's")
    func once() async throws {
        let (first, second, third) = (turns.turn(of: user), turns.turn(of: user), turns.turn(of: user))
        for turn in [first, second, first] { try await turn.begin() }
        third.end()
        async let other: Void = turns.take(user) {}
        while turns.waiting(of: user) < 1 { await Task.yield() }
        first.end()
        try await other
        first.end()
        second.end()
        try await turns.take(user) {}
    }

    @Test("One that fails ends its turn")
    func failure() async throws {
        for _ in 0..<5 {
            await #expect(throws: APIError.self) { try await turns.take(user) { throw APIError.busy } }
        }
        let answer = try await turns.take(user) { 1 }
        #expect(answer == 1)
    }
}

/// Work that lasts until it is told to end.
private actor HeldWork {
    private(set) var begun: [Int] = []
    private var held: [Int: CheckedContinuation<Void, Never>] = [:]

    func hold(_ number: Int) async {
        await withCheckedContinuation { continuation in
            begun.append(number)
            held[number] = continuation
        }
    }

    func end(_ number: Int) { held.removeValue(forKey: number)?.resume() }

    /// Waits until so many have begun.
    func begin(_ count: Int) async {
        while begun.count < count { await Task.yield() }
    }
}
