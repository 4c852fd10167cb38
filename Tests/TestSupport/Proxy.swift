public import Foundation
import Synchronization

/// Stands between a program and a server and passes bytes on: late, up to some byte, or no more, when it is told to.
public final class Proxy: Sendable {
    /// Where it listens, on this machine.
    public let port: UInt16

    private let listener: Int32
    private let target: UInt16
    private let lost = Mutex<Data?>(nil)
    private let open = Mutex<Set<Int32>>([])
    private let isSilent = Atomic(false)
    private let trouble = Mutex<Trouble?>(nil)

    private struct Trouble {
        let delay: Duration
        let bytesBetweenCuts: Int
        /// Until the next cut.
        var bytesLeft = 1
    }

    /// What goes on of some bytes, and whether its connection ends then.
    fileprivate typealias Passage = (bytes: Data, isLast: Bool)

    /// Listens in front of a port of this machine.
    public init(to target: UInt16) throws {
        self.target = target
        let (listener, port) = try listenOnAnyPort()
        self.listener = listener
        self.port = port
        // Its threads end with their connections; the listener's when the proxy is stopped.
        Thread.detachNewThread { [weak self] in
            while case let client = accept(listener, nil, nil), client >= 0 { self?.serve(client) }
        }
    }

    /// Loses the server's next answer that has these bytes in it, with its connection; only once.
    public func loseNextAnswer(with bytes: Data) {
        lost.withLock { $0 = bytes }
    }

    /// Whether the answer was lost.
    public var hasLost: Bool { lost.withLock { $0 == nil } }

    /// Lets whatever it passes on wait for up to so long, and each time about so many bytes have gone by, over whichever
    /// connection, ends that connection at any of its bytes.
    public func disturb(delay: Duration, bytesBetweenCuts: Int) {
        trouble.withLock { $0 = Trouble(delay: delay, bytesBetweenCuts: bytesBetweenCuts) }
    }

    /// Passes bytes on as they come again.
    public func calmDown() { trouble.withLock { $0 = nil } }

    /// Passes nothing on any more, not even that a side has ended: what a client that has gone out of reach leaves.
    public func fallSilent() { isSilent.store(true, ordering: .relaxed) }

    /// Ends every connection, and takes no more.
    public func stop() {
        shutdown(listener, Int32(SHUT_RDWR))
        close(listener)
        open.withLock { descriptors in
            for descriptor in descriptors {
                shutdown(descriptor, Int32(SHUT_RDWR))
                // Nobody else closes what was left open in silence.
                if isSilent.load(ordering: .relaxed) { close(descriptor) }
            }
        }
    }

    private func serve(_ client: Int32) {
        let server = tcpSocket()
        let status = sockaddr_in.loopback(target).with { connect(server, $0, $1) }
        guard status == 0 else {
            close(client)
            close(server)
            return
        }
        open.withLock { $0.formUnion([client, server]) }
        let pair = Pair(
            client: client,
            server: server,
            isSilent: { [self] in isSilent.load(ordering: .relaxed) },
            ended: { [weak self] in _ = self?.open.withLock { $0.subtract([client, server]) } }
        )
        Thread.detachNewThread { [self] in pair.pass(from: client, to: server, passage(of:)) }
        Thread.detachNewThread { [self] in
            pair.pass(from: server, to: client) { isToBeLost($0) ? (Data(), true) : passage(of: $0) }
        }
    }

    private func isToBeLost(_ answer: Data) -> Bool {
        lost.withLock { lost in
            guard let bytes = lost, answer.range(of: bytes) != nil else { return false }
            lost = nil
            return true
        }
    }

    private func passage(of data: Data) -> Passage {
        guard let delay = trouble.withLock({ $0?.delay }) else { return (data, false) }
        Thread.sleep(forTimeInterval: .random(in: 0...(delay / .seconds(1))))
        return trouble.withLock { trouble in
            guard let left = trouble?.bytesLeft, let between = trouble?.bytesBetweenCuts else { return (data, false) }
            guard data.count >= left else {
                trouble?.bytesLeft -= data.count
                return (data, false)
            }
            trouble?.bytesLeft = .random(in: 1...(2 * between))
            return (data.prefix(left), true)
        }
    }
}

/// Two connections that end together.
private final class Pair: Sendable {
    private let client: Int32
    private let server: Int32
    private let directions = Atomic(2)
    private let isSilent: @Sendable () -> Bool
    private let ended: @Sendable () -> Void

    init(
        client: Int32,
        server: Int32,
        isSilent: @escaping @Sendable () -> Bool,
        ended: @escaping @Sendable () -> Void
    ) {
        self.client = client
        self.server = server
        self.isSilent = isSilent
        self.ended = ended
    }

    /// Passes bytes on until one side ends, or `passage` says so. In silence neither side hears of the other again.
    func pass(from source: Int32, to target: Int32, _ passage: (Data) -> Proxy.Passage) {
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        passing: while case let count = recv(source, &buffer, buffer.count, 0), count > 0 {
            if isSilent() { return }
            let (bytes, isLast) = passage(Data(buffer[..<count]))
            var rest = bytes[...]
            while !rest.isEmpty {
                let sent = rest.withUnsafeBytes { send(target, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
                guard sent > 0 else { break passing }
                rest = rest.dropFirst(sent)
            }
            if isLast { break }
        }
        if isSilent() { return }
        for descriptor in [client, server] { shutdown(descriptor, Int32(SHUT_RDWR)) }
        guard directions.subtract(1, ordering: .acquiringAndReleasing).newValue == 0 else { return }
        ended()
        for descriptor in [client, server] { close(descriptor) }
    }
}
