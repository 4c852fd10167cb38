import Testing

@testable import API

@Suite("Answers remembered for a second")
struct ShortMemoryTests {
    private let start = ContinuousClock.now

    @Test("An answer is asked for once a second")
    func remembered() async {
        let memory = ShortMemory<String, Int>()
        var asked = 0
        func answer(after seconds: Double) async -> Int? {
            await memory.value(for: "key", now: start + .seconds(seconds)) {
                asked += 1
                return asked
            }
        }
        #expect(await answer(after: 0) == 1)
        #expect(await answer(after: 0.999) == 1)
        #expect(await answer(after: 1) == 2)
        memory.forget("key")
        #expect(await answer(after: 1.1) == 3)
    }

    @Test("That there is nothing is not remembered")
    func nothing() async {
        let memory = ShortMemory<String, Int>()
        #expect(await memory.value(for: "key", now: start) { nil } == nil)
        #expect(await memory.value(for: "key", now: start) { 7 } == 7)
        #expect(await memory.value(for: "other", now: start) { 8 } == 8)
    }

    @Test("However many ask, it stays small")
    func bounded() async {
        let memory = ShortMemory<Int, Int>()
        for key in 0..<(2 * ShortMemory<Int, Int>.capacity + 1) {
            #expect(await memory.value(for: key, now: start) { key } == key)
        }
        #expect(memory.count <= ShortMemory<Int, Int>.capacity)
    }
}
