import CLinux
import COpenSSL
import DequeModule
import Dispatch
import Foundation
import Synchronization

/// A fixed number of threads for C calls that block, so that they never hold a thread of the cooperative pool, or that of
/// an event loop with all its connections.
///
/// Work waits in a queue without a limit of its own: callers bound what they put in (a pool of
/// connections, worker slots, one chunk of an upload at a time).
public final class BlockingThreads: Sendable {
    private let queue: WorkQueue

    /// Starts the threads; they end when this value is released and its queue is empty. `name` is shown by `top -H` and
    /// debuggers; the kernel keeps 15 bytes.
    public init(name: String, count: Int) {
        queue = WorkQueue(name: name, threads: count)
    }

    deinit { queue.close() }

    /// Runs `body` on one of the threads and gives what it returns. Work that has begun is not cancelled.
    public func run<Result: Sendable, Failure: Error>(
        _ body: @escaping @Sendable () throws(Failure) -> Result
    ) async throws(Failure) -> Result {
        let outcome: Swift.Result<Result, Failure> = await withCheckedContinuation { continuation in
            queue.add(.call { continuation.resume(returning: Swift.Result(catching: body)) })
        }
        return try outcome.get()
    }
}

/// A thread of its own for one actor whose methods call blocking C functions.
///
/// ```swift
/// actor Connection {
///     private nonisolated let thread = BlockingThread(name: "postgres")
///     nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }
/// }
/// ```
public final class BlockingThread: SerialExecutor {
    private let queue: WorkQueue

    /// Starts the thread; it ends when this value is released and its queue is empty.
    public init(name: String) {
        queue = WorkQueue(name: name, threads: 1)
    }

    deinit { queue.close() }

    public func enqueue(_ job: consuming ExecutorJob) {
        queue.add(.step(UnownedJob(job), asUnownedSerialExecutor()))
    }
}

/// Brings a thread out of `poll()`, from any task.
public final class Wakeup: Sendable {
    /// Readable for `poll()` from a signal until `clear`; -1, which `poll()` passes over, in a process without a
    /// descriptor to spare.
    public let descriptor = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))

    public init() {}

    deinit {
        if descriptor >= 0 { close(descriptor) }
    }

    public func signal() {
        // It fails only if 2^64 - 2 signals wait already: the thread wakes either way.
        eventfd_write(descriptor, 1)
    }

    public func clear() {
        var count: eventfd_t = 0
        eventfd_read(descriptor, &count)
    }
}

/// OpenSSL, which libpq and librabbitmq use, frees its list of threads at process exit, when a thread that ends at that
/// moment may still use it. Initialised like this before its first use, it frees nothing.
private let isOpenSSLKept = OPENSSL_init_crypto(UInt64(OPENSSL_INIT_NO_ATEXIT), nil) == 1

private final class WorkQueue: Sendable {
    enum Work: Sendable {
        case step(UnownedJob, UnownedSerialExecutor)
        case call(@Sendable () -> Void)
        case end
    }

    private let waiting = Mutex(Deque<Work>())
    private let available = DispatchSemaphore(value: 0)
    private let threads: Int

    init(name: String, threads: Int) {
        self.threads = threads
        precondition(isOpenSSLKept, "OpenSSL does not start")
        for _ in 0..<threads {
            let thread = Thread { [self] in
                loop()
            }
            thread.name = name
            thread.start()
        }
    }

    func add(_ work: Work) {
        waiting.withLock { $0.append(work) }
        available.signal()
    }

    func close() {
        for _ in 0..<threads { add(.end) }
    }

    private func loop() {
        while true {
            available.wait()
            switch waiting.withLock({ $0.removeFirst() }) {
            case .step(let job, let executor): job.runSynchronously(on: executor)
            case .call(let body): body()
            case .end: return
            }
        }
    }
}
