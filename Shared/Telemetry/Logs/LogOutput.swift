import Glibc
import Synchronization

/// A descriptor that log lines go to, one `write` each.
///
/// A reader that stands still holds up one caller for `patience`; from then on lines are dropped and counted
/// until it reads again. A reader that went away costs nothing.
final class LogOutput: Sendable {
    private struct State {
        var isStuck = false
        var lost = 0
    }

    private let descriptor: Int32
    private let patienceMilliseconds: Int32
    private let state = Mutex(State())

    init(descriptor: Int32, patienceMilliseconds: Int32 = 50) {
        self.descriptor = descriptor
        self.patienceMilliseconds = patienceMilliseconds
    }

    /// Writes one line, after `notice` of how many were lost before it.
    func write(_ line: [UInt8], notice: (Int) -> [UInt8]) {
        state.withLock { state in
            guard hasRoom(within: state.isStuck ? 0 : patienceMilliseconds) else {
                state.isStuck = true
                state.lost += 1
                return
            }
            state.isStuck = false
            if state.lost > 0, put(notice(state.lost)) {
                state.lost = 0
            }
            if !hasRoom(within: 0) || !put(line) { state.lost += 1 }
        }
    }

    /// Whether a line can be written at once: a pipe that polls writable takes `PIPE_BUF` bytes without blocking.
    private func hasRoom(within milliseconds: Int32) -> Bool {
        var request = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        let ready = poll(&request, 1, milliseconds)
        return ready == 1 && Int32(request.revents) & POLLOUT != 0 && Int32(request.revents) & POLLERR == 0
    }

    private func put(_ line: [UInt8]) -> Bool {
        while true {
            let written = Glibc.write(descriptor, line, line.count)
            if written < 0, errno == EINTR { continue }
            return written == line.count
        }
    }
}
