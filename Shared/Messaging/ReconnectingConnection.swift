import Blocking
public import Foundation
import Logging
import Models
import ServiceLifecycle
import Synchronization

/// How a publisher or a consumer stands with the broker.
public enum BrokerState: Equatable, Sendable, CustomStringConvertible {
    /// Signed in, and everything it needs is declared.
    case connected
    /// Connected, but the broker takes no messages: one of its alarms (memory, disk) is on.
    case blocked(reason: String)
    /// Not connected; it keeps trying until it is told to stop.
    case disconnected(reason: String, since: Date)

    public var description: String {
        switch self {
        case .connected: "connected"
        case .blocked(let reason): "blocked by the broker: \(reason)"
        case .disconnected(let reason, let since): "disconnected since \(since.ISO8601Format()): \(reason)"
        }
    }
}

/// What a publisher or a consumer does with one connection. Its methods run on the connection's thread, in turn.
protocol ConnectionSession: AnyObject {
    /// Takes what the broker said.
    func receive(_ frame: Frame) throws(BrokerFailure)
    /// Sends what can be sent, and says what to wait for. Draining, it takes nothing new and finishes what is
    /// under way.
    func advance(draining: Bool) throws(BrokerFailure) -> SessionStep
    /// The connection is gone, or about to be closed.
    func end(_ reason: String)
}

/// What a session waits for, besides the broker's next frame and `wake`.
enum SessionStep {
    /// For nothing: there is more to do once the broker's frames are read.
    case again
    /// For a moment at the latest, and perhaps for room in the socket.
    case wait(until: ContinuousClock.Instant?, forRoom: Bool)
    /// It drained, and nothing is left.
    case finished
}

/// A connection that is made again whenever it is lost, and the loop of its thread: read, send, keep the
/// heartbeat going, sleep until the broker or a caller has something.
final class ReconnectingConnection: Sendable {
    private enum Phase {
        case running
        case draining
        case abandoned
    }

    private struct Status {
        var phase = Phase.running
        var broker: BrokerState
    }

    private let settings: MessagingSettings
    private let name: String
    private let logger: Logger
    private let wakeup = Wakeup()
    private let status = Mutex(Status(broker: .disconnected(reason: "not started", since: Date())))

    init(name: String, settings: MessagingSettings, logger: Logger) {
        self.name = name
        self.settings = settings
        var logger = logger
        logger[metadataKey: "connection"] = "\(name)"
        self.logger = logger
    }

    var state: BrokerState { status.withLock { $0.broker } }

    private var phase: Phase { status.withLock { $0.phase } }

    /// Makes the thread look for new work.
    func wake() { wakeup.signal() }

    /// Ends `run` once the session has finished what is under way; a lost connection is not made again.
    func drain() {
        status.withLock { if $0.phase == .running { $0.phase = .draining } }
        wake()
    }

    /// Ends `run` at once.
    func abandon() {
        status.withLock { $0.phase = .abandoned }
        wake()
    }

    /// The broker has raised (a reason) or ended (nil) an alarm.
    func setBlocked(_ reason: String?) {
        status.withLock { $0.broker = reason.map { .blocked(reason: $0) } ?? .connected }
        if let reason {
            logger.warning("The broker takes no messages for now", metadata: ["reason": "\(reason)"])
        } else {
            logger.info("The broker takes messages again")
        }
    }

    /// Connects, and again after each failure, until told to stop. Blocks its thread. Throws `unavailable` if the
    /// process is out of file descriptors at its start.
    func run(_ open: (BrokerConnection) throws(BrokerFailure) -> any ConnectionSession) throws(MessagingError) {
        guard wakeup.descriptor >= 0 else { throw .unavailable("the process is out of file descriptors") }
        var backoff = Backoff(initial: .milliseconds(400), maximum: .seconds(3), jitter: true)
        while phase == .running {
            let start = ContinuousClock.now
            do throws(BrokerFailure) {
                try connectAndPump(open)
            } catch {
                // A connection that lasted ended for a new reason; one that did not goes on doubling the wait.
                if ContinuousClock.now - start > .seconds(10) { backoff.reset() }
                noteLoss(error)
                let retry = ContinuousClock.now + backoff.next()
                while phase == .running, .now < retry { wait(limit: retry - .now) }
            }
        }
        status.withLock { $0.broker = .disconnected(reason: "stopped", since: Date()) }
    }

    private func connectAndPump(
        _ open: (BrokerConnection) throws(BrokerFailure) -> any ConnectionSession
    ) throws(BrokerFailure) {
        let connection = try BrokerConnection(settings, name: "\(ProcessInfo.processInfo.processName) \(name)")
        let session = try open(connection)
        status.withLock { $0.broker = .connected }
        logger.info("Connected to the broker", metadata: ["broker": "\(settings.broker)"])
        do throws(BrokerFailure) {
            try pump(connection, session)
        } catch {
            session.end(error.reason)
            throw error
        }
        session.end("the process is stopping")
        connection.close()
    }

    private func pump(_ connection: BrokerConnection, _ session: any ConnectionSession) throws(BrokerFailure) {
        // The library keeps the heartbeat only when it is called.
        let pulse = settings.heartbeat / 4
        while true {
            while let frame = try connection.nextFrame() { try session.receive(frame) }
            let phase = phase
            if phase == .abandoned { return }
            switch try session.advance(draining: phase == .draining) {
            case .finished: return
            case .again: continue
            case .wait(_, _) where connection.hasBufferedInput: continue
            case .wait(let deadline, let forRoom):
                let limit = deadline.map { min($0 - .now, pulse) } ?? pulse
                wait(socket: connection.descriptor, forRoom: forRoom, limit: limit)
            }
        }
    }

    /// Sleeps until `wake`, until the socket has something to read (or, if asked, room to write), or for `limit` at
    /// most.
    private func wait(socket: Int32 = -1, forRoom: Bool = false, limit: Duration) {
        var entries = [
            pollfd(fd: wakeup.descriptor, events: Int16(POLLIN), revents: 0),
            pollfd(fd: socket, events: Int16(forRoom ? POLLIN | POLLOUT : POLLIN), revents: 0),
        ]
        // Rounded up: rounded down, the last millisecond before a deadline would be spent spinning.
        let milliseconds = (limit / .milliseconds(1)).rounded(.up)
        _ = poll(&entries, 2, Int32(max(0, min(milliseconds, 60_000))))
        if entries[0].revents != 0 { wakeup.clear() }
    }

    private func noteLoss(_ failure: BrokerFailure) {
        let isNews = status.withLock { status in
            if case .disconnected(failure.reason, _) = status.broker { return false }
            var since = Date()
            if case .disconnected(_, let earlier) = status.broker { since = earlier }
            status.broker = .disconnected(reason: failure.reason, since: since)
            return true
        }
        // The same failure at each attempt of a long outage is worth one line.
        logger.log(
            level: isNews ? .warning : .debug,
            "Not connected to the broker",
            metadata: ["broker": "\(settings.broker)", "reason": "\(failure.reason)"]
        )
    }
}

/// Runs `body`, whose connections are told when the process stops: drained by a graceful shutdown, abandoned by
/// cancellation (the grace period is over).
func withStopHandlers(_ connections: [ReconnectingConnection], _ body: () async throws -> Void) async throws {
    try await withTaskCancellationHandler {
        try await withGracefulShutdownHandler {
            try await body()
        } onGracefulShutdown: {
            for connection in connections { connection.drain() }
        }
    } onCancel: {
        for connection in connections { connection.abandon() }
    }
}
