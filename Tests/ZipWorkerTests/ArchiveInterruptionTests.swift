import Blocking
import Foundation
import Synchronization
import Testing

@testable import ZipWorker

@Suite("Interrupted archives")
struct ArchiveInterruptionTests {
    /// Adds eight files of 100 000 bytes and cancels the task when the first is done, then adds one more.
    private func cancelled(leaving finishBytes: Int64, before laterBytes: Int64 = 0) async throws -> Result<
        Int, any Error
    > {
        let outcome = Mutex<Result<Int, any Error>?>(nil)
        try await ArchiveFixture.with { fixture in
            let files = try (0..<8).map { try fixture.file("file \($0)", .noise(100_000, seed: UInt64($0))) }
            let settings = ArchiveSettings(copyThreads: 1, finishBytes: finishBytes)
            let underway = Mutex<Task<Int, any Error>?>(nil)
            let (held, release) = AsyncStream.makeStream(of: Void.self)
            let task = Task {
                // Until the task is known to whoever cancels it.
                for await _ in held {}
                return try await fixture.archive(settings: settings) { writer in
                    _ = try await writer.add(files, before: laterBytes) { _ in underway.withLock { $0?.cancel() } }
                    _ = try await writer.add(Array(files.prefix(1)))
                }.archive.entries.count
            }
            underway.withLock { $0 = task }
            release.finish()
            let result = await task.result
            outcome.withLock { $0 = result }
        }
        return try #require(outcome.withLock { $0 })
    }

    @Test("A cancelled archive stops, unless little is left")
    func cancellation() async throws {
        #expect(try await cancelled(leaving: 800_000).get() == 9)
        let outcome = try await cancelled(leaving: 699_999)
        #expect(throws: ArchiveError.cancelled) { try outcome.get() }
    }

    @Test("After a cancellation no more than what may be finished is copied, in all calls together")
    func cancelledAllowance() async throws {
        let outcome = try await cancelled(leaving: 799_999)
        #expect(throws: ArchiveError.cancelled) { try outcome.get() }
    }

    @Test("What is known to come counts as left: a cancelled archive with much of it stops at once")
    func cancelledBeforeMore() async throws {
        #expect(try await cancelled(leaving: 800_000, before: 100_000).get() == 9)
        let outcome = try await cancelled(leaving: 799_999, before: 100_000)
        #expect(throws: ArchiveError.cancelled) { try outcome.get() }
    }

    @Test("A full disk is told apart from other failures")
    func full() async throws {
        try await ArchiveFixture.with { fixture in
            let file = try fixture.file("file", .noise(10_000))
            #expect(await failure(writingTo: "/dev/full", O_RDWR, file) == .full)
            let readOnly = await failure(writingTo: file.path, O_RDONLY, file)
            #expect(readOnly == .io(errno: EBADF, operation: "write"))
        }
    }

    @Test("A failure while text is made is thrown when it ends")
    func textFailure() async throws {
        let descriptor = open("/dev/full", O_RDWR | O_CLOEXEC)
        defer { close(descriptor) }
        let threads = BlockingThreads(name: "archive", count: 1)
        var writer = ArchiveWriter(output: descriptor, settings: ArchiveSettings(), threads: threads)
        await #expect(throws: ArchiveError.full) {
            _ = try await writer.add("text", modified: .someDay) { sink in sink.append([UInt8].noise(2_000_000)) }
        }
    }

    @Test("A name that no header can hold is refused before anything is written")
    func longName() async throws {
        try await ArchiveFixture.with { fixture in
            let file = try fixture.file(String(repeating: "ñ", count: 33_000), [1])
            let error = await failure(writingTo: "/dev/full", O_RDWR, file)
            #expect(error == .io(errno: ENAMETOOLONG, operation: "name"))
        }
    }

    private func failure(writingTo path: String, _ flags: Int32, _ file: ArchiveFile) async -> ArchiveError? {
        let descriptor = open(path, flags | O_CLOEXEC)
        defer { close(descriptor) }
        let threads = BlockingThreads(name: "archive", count: 2)
        var writer = ArchiveWriter(output: descriptor, settings: ArchiveSettings(), threads: threads)
        do throws(ArchiveError) {
            _ = try await writer.add([file])
            return nil
        } catch {
            return error
        }
    }
}
