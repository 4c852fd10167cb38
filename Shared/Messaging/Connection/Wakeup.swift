import CRabbitMQ
import Glibc

/// What a thread sleeps on besides its socket, so that a call from any task wakes it at once.
final class Wakeup: Sendable {
    private let descriptor: Int32
    /// Why there is none (out of file descriptors, most likely); nil if all is well.
    let problem: String?

    init() {
        descriptor = eventfd(0, Int32(EFD_NONBLOCK | EFD_CLOEXEC))
        problem = descriptor < 0 ? "eventfd: \(String(cString: strerror(errno)))" : nil
    }

    deinit {
        if problem == nil { close(descriptor) }
    }

    func signal() {
        // It fails only if 2^64 - 2 signals wait already: the thread wakes either way.
        var one: UInt64 = 1
        _ = write(descriptor, &one, MemoryLayout<UInt64>.size)
    }

    /// Sleeps until a signal, until the socket has something to read (or, if asked, room to write), or for
    /// `limit` at most.
    func wait(socket: Int32 = -1, forRoom: Bool = false, limit: Duration) {
        let events = Int16(forRoom ? POLLIN | POLLOUT : POLLIN)
        var entries = [
            pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0),
            pollfd(fd: socket, events: events, revents: 0),
        ]
        // Rounded up: rounded down, the last millisecond before a deadline would be spent spinning.
        let milliseconds = (limit / .milliseconds(1)).rounded(.up)
        _ = poll(&entries, 2, Int32(max(0, min(milliseconds, 60_000))))
        guard entries[0].revents != 0 else { return }
        var count: UInt64 = 0
        _ = read(descriptor, &count, MemoryLayout<UInt64>.size)
    }
}
