import HummingbirdCore
import Logging
import NIOCore
import NIOHTTPTypes
import NIOPosix

/// Handles each connection's requests on the thread that reads and writes its socket.
///
/// By default a connection's task runs in the cooperative pool, and each piece of a body and each write of a response
/// changes threads. The other side of it: what a request does without a pause, all connections of its thread wait for. So
/// nothing in a request blocks, rows are read on the threads of the database's connections, JSON that may be long is
/// written on threads of its own, and long bodies are taken in the cooperative pool.
struct OnEventLoop: ServerChildChannel {
    let base: HTTP1Channel

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<HTTP1Channel.Value> {
        base.setup(channel: channel, logger: logger)
    }

    func handle(value: HTTP1Channel.Value, logger: Logger) async {
        await withTaskExecutorPreference(EventLoopTasks(value.channel.eventLoop)) {
            await base.handle(value: value, logger: logger)
        }
    }
}

/// Runs the steps of tasks on an event loop.
final class EventLoopTasks: TaskExecutor {
    /// On the caller's event loop; on any of them if it has none.
    static var current: EventLoopTasks { EventLoopTasks(MultiThreadedEventLoopGroup.singleton.any()) }

    private let eventLoop: any EventLoop

    init(_ eventLoop: any EventLoop) {
        self.eventLoop = eventLoop
    }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        eventLoop.execute { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }
}
