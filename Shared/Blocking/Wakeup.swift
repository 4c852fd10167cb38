import CLinux
import Glibc

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
