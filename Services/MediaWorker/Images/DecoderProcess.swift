import Blocking
import CDecoder
import Foundation
import Glibc
import Synchronization

/// A child process that decodes pictures, one after another. It ends with this value, and with this process.
final class DecoderProcess: Sendable {
    /// How an exchange ended without an answer. The child has ended then, too.
    enum Ending: Error, Hashable {
        case unavailable
        case cancelled
        case timedOut
        case exited(Int32)
        case signaled(Int32)
    }

    let process: pid_t
    private let socket: DecoderSocket
    private let isReaped = Mutex(false)

    /// From the start of a child to its first word. It links a hundred libraries.
    private static let startTime: Duration = .seconds(60)

    private init(process: pid_t, socket: DecoderSocket) {
        self.process = process
        self.socket = socket
    }

    deinit {
        end()
        close(socket.descriptor)
    }

    /// Starts a child, and waits until it is ready. The kernel kills it when the thread that calls this ends.
    static func start() throws(Ending) -> (decoder: DecoderProcess, isConfined: Bool) {
        var ends: [Int32] = [-1, -1]
        guard decoder_socket_pair(&ends) == 0 else { throw .unavailable }
        var process: pid_t = 0
        let arguments = [program, PictureDecoder.command, "\(getpid())"]
        let failed = withPointers(arguments) { arguments in
            withPointers(environment) { environment in
                decoder_spawn(program, arguments, environment, ends[1], &process)
            }
        }
        close(ends[1])
        guard failed == 0 else {
            close(ends[0])
            throw .unavailable
        }
        let decoder = DecoderProcess(process: process, socket: DecoderSocket(descriptor: ends[0]))
        guard case .ready(let isConfined) = try decoder.answer(before: .now + startTime, stop: nil) else {
            throw .unavailable
        }
        return (decoder, isConfined)
    }

    /// False for one that has ended, or says what nobody asked.
    var isIdle: Bool {
        var watched = [pollfd(fd: socket.descriptor, events: Int16(POLLIN), revents: 0)]
        return poll(&watched, 1, 0) == 0
    }

    /// Asks, and blocks until the answer comes. `stop` is readable when nobody waits for it any more.
    func ask(
        _ question: DecoderQuestion,
        files: [Int32],
        before deadline: ContinuousClock.Instant,
        stop: Wakeup
    ) throws(Ending) -> DecoderAnswer {
        guard socket.send(question, files: files) else { throw end() }
        return try answer(before: deadline, stop: stop)
    }

    private func answer(before deadline: ContinuousClock.Instant, stop: Wakeup?) throws(Ending) -> DecoderAnswer {
        while true {
            let left = ContinuousClock.now.duration(to: deadline)
            guard left > .zero else {
                end()
                throw .timedOut
            }
            var watched = [
                pollfd(fd: socket.descriptor, events: Int16(POLLIN), revents: 0),
                pollfd(fd: stop?.descriptor ?? -1, events: Int16(POLLIN), revents: 0),
            ]
            // A second at most: the end of the time is looked for again.
            let milliseconds = Int32(min(.seconds(1), left) / .milliseconds(1)) + 1
            guard poll(&watched, 2, milliseconds) > 0 else { continue }
            if watched[1].revents != 0 {
                end()
                throw .cancelled
            }
            guard let (message, files) = socket.receive(DecoderAnswer.self) else { throw end() }
            for file in files { close(file) }
            return message
        }
    }

    /// Kills the child if it has not ended, and says how it did. Blocks a little.
    @discardableResult
    func end() -> Ending {
        isReaped.withLock { isReaped in
            guard !isReaped else { return .unavailable }
            isReaped = true
            var status: Int32 = 0
            // One that closed its socket is about to end by itself, and how it does is the answer.
            if !hasEnded(&status) {
                kill(process, SIGKILL)
                while waitpid(process, &status, 0) < 0 && errno == EINTR {}
            }
            // The macros of wait(2) are not imported.
            return status & 0x7F == 0 ? .exited((status >> 8) & 0xFF) : .signaled(status & 0x7F)
        }
    }

    /// Waits for two seconds at most for a child whose socket is closed.
    private func hasEnded(_ status: inout Int32) -> Bool {
        var watched = [pollfd(fd: socket.descriptor, events: 0, revents: 0)]
        guard poll(&watched, 1, 0) > 0 else { return waitpid(process, &status, WNOHANG) == process }
        let end = decoder_watch(process)
        if end >= 0 {
            var watched = [pollfd(fd: end, events: Int16(POLLIN), revents: 0)]
            poll(&watched, 1, 2000)
            close(end)
        }
        return waitpid(process, &status, WNOHANG) == process
    }

    /// This very program for the worker itself, also if another version has been put in its place; the one beside
    /// the running program for another.
    private static let program: String = {
        let name = "tolva-media-worker"
        let own = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
        let url = URL(filePath: own)
        return url.lastPathComponent.hasPrefix(name)
            ? "/proc/self/exe" : url.deletingLastPathComponent().appending(path: name).path
    }()

    /// None of the worker's, which has secrets. libvips keeps large pictures in memory, since there are no temporary
    /// files, and Swift does not look into a crash, for which it would start a program.
    private static let environment = [
        "PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C", "VIPS_DISC_THRESHOLD=1000g",
        "SWIFT_BACKTRACE=enable=no",
        // Where libraries of the program are found that lie nowhere usual.
        "LD_LIBRARY_PATH=\(ProcessInfo.processInfo.environment["LD_LIBRARY_PATH"] ?? "")",
    ]

    /// Texts as C has them: pointers, with none at the end.
    private static func withPointers<Result>(
        _ texts: [String],
        _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Result
    ) -> Result {
        let copies: [UnsafeMutablePointer<CChar>?] = texts.map { strdup($0) } + [nil]
        defer { for copy in copies { free(copy) } }
        return copies.withUnsafeBufferPointer { pointers in
            guard let first = pointers.baseAddress else { preconditionFailure("it holds the end at least") }
            return body(first)
        }
    }
}

/// Decoders that wait for pictures, so that a picture seldom waits for a decoder.
final class DecoderPool: Sendable {
    private struct Idle {
        let decoder: DecoderProcess
        let pictures: Int
        let since: ContinuousClock.Instant
    }

    /// A decoder that is lent, until it is given back.
    struct Loan: Sendable {
        let decoder: DecoderProcess
        fileprivate let pictures: Int
    }

    /// What a library may lose in a picture is little, and gone after so many.
    private static let maximumPictures = 500
    private static let idleTime: Duration = .seconds(30)

    private let idle = Mutex<[Idle]>([])

    /// One that is idle, else a new one. Blocks until it is ready. `warn` is called for a new one that is not confined.
    func take(warn: () -> Void) throws(DecoderProcess.Ending) -> Loan {
        while let last = idle.withLock({ $0.popLast() }) {
            // The kernel ends an idle one first when the machine has no memory left: no fault of the next picture.
            if last.decoder.isIdle { return Loan(decoder: last.decoder, pictures: last.pictures) }
        }
        return try takeNew(warn: warn)
    }

    /// One that has seen no picture.
    func takeNew(warn: () -> Void) throws(DecoderProcess.Ending) -> Loan {
        let (decoder, isConfined) = try DecoderProcess.start()
        if !isConfined { warn() }
        return Loan(decoder: decoder, pictures: 0)
    }

    /// Takes back one that answered; without this, a loan that is let go ends its decoder.
    func give(_ loan: Loan) {
        guard loan.pictures + 1 < Self.maximumPictures else { return }
        idle.withLock { $0.append(Idle(decoder: loan.decoder, pictures: loan.pictures + 1, since: .now)) }
    }

    /// Ends those that nobody needed for a while; all of them if `everyOne`. Blocks a little.
    func endIdle(everyOne: Bool = false) {
        let kept = ContinuousClock.now - Self.idleTime
        let old = idle.withLock { idle in
            let old = idle.filter { everyOne || $0.since < kept }
            idle.removeAll { everyOne || $0.since < kept }
            return old
        }
        withExtendedLifetime(old) {}
    }
}
