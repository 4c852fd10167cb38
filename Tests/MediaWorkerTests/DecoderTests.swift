import Blocking
import CDecoder
import Foundation
import Glibc
import Testing

@testable import MediaWorker

@Suite("Decoders of pictures")
struct DecoderTests {
    private let stop = Wakeup()
    /// Decoders live as long as the thread that started them.
    private let thread = BlockingThreads(name: "tests", count: 1)

    private func start() async throws -> DecoderProcess {
        try await thread.run { () throws(DecoderProcess.Ending) in try DecoderProcess.start().decoder }
    }

    private func open(
        _ path: String,
        with decoder: DecoderProcess,
        within time: Duration = .seconds(30)
    ) async throws -> DecoderAnswer {
        let stop = stop
        return try await thread.run { () throws(DecoderProcess.Ending) in
            let file = Glibc.open(path, O_RDONLY)
            defer { close(file) }
            let question = DecoderQuestion.open(PictureRecipe(MediaSettings()))
            return try decoder.ask(question, files: [file], before: .now + time, stop: stop)
        }
    }

    private func take(from pool: DecoderPool) async throws -> DecoderPool.Loan {
        try await thread.run { () throws(DecoderProcess.Ending) in try pool.take {} }
    }

    private func facts(of process: pid_t, _ name: String) throws -> Data {
        try #require(FileManager.default.contents(atPath: "/proc/\(process)/\(name)"))
    }

    @Test("A decoder can open, start and reach nothing, and has none of the worker's files and secrets")
    func confinement() async throws {
        let decoder = try await start()
        let status = String(decoding: try facts(of: decoder.process, "status"), as: UTF8.self)
        #expect(status.contains("NoNewPrivs:\t1"))
        #expect(status.contains("Seccomp:\t2"))
        let files = try FileManager.default.contentsOfDirectory(atPath: "/proc/\(decoder.process)/fd")
        #expect(files.sorted() == ["0", "1", "2"])
        let names = try facts(of: decoder.process, "environ").split(separator: 0).map {
            String(decoding: $0, as: UTF8.self).split(separator: "=")[0]
        }
        #expect(
            Set(names) == [
                "PATH", "LC_ALL", "VIPS_DISC_THRESHOLD", "SWIFT_BACKTRACE", "LD_LIBRARY_PATH",
            ]
        )
        #expect(try facts(of: decoder.process, "oom_score_adj") == Data("1000\n".utf8))
    }

    @Test("A confined thread reads and writes what is open, and opens, starts, reaches and signals nothing")
    func filter() async throws {
        let answers = await thread.run { () -> [Int32] in
            var ends: [Int32] = [-1, -1]
            guard pipe(&ends) == 0, decoder_bind_to_parent(getppid()) == 0, decoder_confine(0) == 0 else { return [] }
            var byte: UInt8 = 7
            guard write(ends[1], &byte, 1) == 1, read(ends[0], &byte, 1) == 1 else { return [] }
            let calls: [() -> Int32] = [
                { Glibc.open("/etc/hostname", O_RDONLY) }, { socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0) },
                { kill(getpid(), 0) }, { fcntl(ends[0], F_SETOWN, getpid()) }, { unlink("/nowhere") },
            ]
            return calls.map { $0() < 0 ? errno : 0 }
        }
        #expect(answers == Array(repeating: ENOSYS, count: 5))
    }

    @Test("A decoder that hangs is killed when its time is over")
    func hanging() async throws {
        try await MediaFixture.with { fixture in
            let photo = try await fixture.photo()
            let decoder = try await start()
            kill(decoder.process, SIGSTOP)
            let ending = await #expect(throws: DecoderProcess.Ending.self) {
                try await open(photo, with: decoder, within: .milliseconds(200))
            }
            #expect(ending == .timedOut)
            #expect(kill(decoder.process, 0) == -1, "its process has gone")
        }
    }

    @Test(
        "A decoder that dies says by which signal, and whose fault that is",
        arguments: [SIGSEGV, SIGABRT, SIGBUS, SIGKILL]
    )
    func dying(_ signal: Int32) async throws {
        try await MediaFixture.with { fixture in
            let photo = try await fixture.photo()
            let decoder = try await start()
            // The signal is there before the question: it never answers.
            kill(decoder.process, SIGSTOP)
            kill(decoder.process, signal)
            kill(decoder.process, SIGCONT)
            let ending = await #expect(throws: DecoderProcess.Ending.self) { try await open(photo, with: decoder) }
            #expect(ending == .signaled(signal))
            let failure = try ImageProcessor.failure(#require(ending))
            let codes = [
                SIGSEGV: "damaged_image", SIGABRT: "image_too_demanding", SIGBUS: "source_unavailable",
                SIGKILL: "decoder_killed",
            ]
            #expect(failure.code == codes[signal])
            #expect(failure.isPermanent == [SIGSEGV, SIGABRT].contains(signal))
        }
    }

    @Test("A decoder nobody waits for any more is killed")
    func cancelled() async throws {
        try await MediaFixture.with { fixture in
            let photo = try await fixture.photo()
            let decoder = try await start()
            kill(decoder.process, SIGSTOP)
            stop.signal()
            let ending = await #expect(throws: DecoderProcess.Ending.self) { try await open(photo, with: decoder) }
            #expect(ending == .cancelled)
        }
    }

    @Test("A decoder answers about one file after another, bad ones among them")
    func several() async throws {
        try await MediaFixture.with { fixture in
            let photo = try await fixture.photo()
            let none = try fixture.write(Data("%PDF-1.7\n".utf8), "none.jpg")
            let decoder = try await start()
            for _ in 0..<3 {
                guard case .refused(.unsupported, _) = try await open(none, with: decoder) else {
                    Issue.record("it is no picture")
                    return
                }
                guard case .opened = try await open(photo, with: decoder) else {
                    Issue.record("it is a picture")
                    return
                }
            }
        }
    }

    @Test("A decoder that gets no more memory says so, and does not call the picture damaged")
    func noMemory() async throws {
        try await MediaFixture.with { fixture in
            let photo = try await fixture.memoryHungry()
            let decoder = try await start()
            guard case .opened = try await open(photo, with: decoder) else {
                Issue.record("it is a picture")
                return
            }
            let stop = stop
            let answer = try await thread.run { () throws(DecoderProcess.Ending) in
                let files = ["a", "b"].map { Glibc.open(fixture.path($0), O_WRONLY | O_CREAT, 0o600) }
                defer { for file in files { close(file) } }
                let question = DecoderQuestion.make(memoryBytes: 0)
                return try decoder.ask(question, files: files, before: .now + .seconds(60), stop: stop)
            }
            guard case .refused(.noMemory, _) = answer else {
                Issue.record("\(answer)")
                return
            }
        }
    }

    @Test("An idle decoder is used again, and one that died is not")
    func pool() async throws {
        let pool = DecoderPool()
        let first = try await take(from: pool)
        let process = first.decoder.process
        pool.give(first)
        let second = try await take(from: pool)
        #expect(second.decoder.process == process)
        kill(process, SIGKILL)
        while second.decoder.isIdle { try await Task.sleep(for: .milliseconds(1)) }
        pool.give(second)
        let third = try await take(from: pool)
        #expect(third.decoder.process != process)
    }

    @Test("Idle decoders stay for a while, and end when all are to end or with their pool", arguments: [true, false])
    func ends(isAsked: Bool) async throws {
        var pool: DecoderPool? = DecoderPool()
        let process = try await idle(in: pool)
        pool?.endIdle()
        #expect(kill(process, 0) == 0, "it is not old")
        if isAsked { pool?.endIdle(everyOne: true) } else { pool = nil }
        #expect(kill(process, 0) == -1)
    }

    /// A decoder that the pool alone has.
    private func idle(in pool: DecoderPool?) async throws -> pid_t {
        let pool = try #require(pool)
        let loan = try await take(from: pool)
        pool.give(loan)
        return loan.decoder.process
    }
}

@Suite("The memory that pictures share", .timeLimit(.minutes(5)))
struct MemoryBudgetTests {
    @Test("Who asks for more than is left waits for its turn, and those behind it too")
    func turns() async throws {
        let budget = MemoryBudget(bytes: 100)
        #expect(try await budget.reserve(60) == 60)
        let large = Task { budget.release(try await budget.reserve(50)) }
        while budget.waiting < 1 { await Task.yield() }
        // There is enough for this one, but not before the other has had its turn.
        let small = Task { budget.release(try await budget.reserve(10)) }
        while budget.waiting < 2 { await Task.yield() }
        budget.release(60)
        try await large.value
        try await small.value
        #expect(budget.waiting == 0)
        #expect(try await budget.reserve(100) == 100, "all of it came back")
    }

    @Test("Who asks for more than there is gets all of it")
    func tooMuch() async throws {
        let budget = MemoryBudget(bytes: 100)
        #expect(try await budget.reserve(.max) == 100)
        #expect(try await budget.reserve(-1) == 0)
    }

    @Test("A cancelled one takes nothing, and those behind it go on")
    func cancelled() async throws {
        let budget = MemoryBudget(bytes: 100)
        let held = try await budget.reserve(60)
        let large = Task { try await budget.reserve(100) }
        while budget.waiting < 1 { await Task.yield() }
        let small = Task { try await budget.reserve(40) }
        while budget.waiting < 2 { await Task.yield() }
        large.cancel()
        await #expect(throws: CancellationError.self) { try await large.value }
        #expect(try await small.value == 40)
        budget.release(40)
        budget.release(held)
        let late = Task {
            while !Task.isCancelled { await Task.yield() }
            return try await budget.reserve(1)
        }
        late.cancel()
        // It had enough for it: either answer is right, and none keeps anything.
        if let taken = try? await late.value { budget.release(taken) }
        #expect(try await budget.reserve(100) == 100)
    }
}
