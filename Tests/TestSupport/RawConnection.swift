public import Foundation
import Glibc
import Synchronization
import Testing

/// A TCP connection to this machine, for requests that end in the middle.
///
/// Nothing waits longer than a minute for the other side.
public final class RawConnection: Sendable {
    private let descriptor: Int32

    public convenience init(to client: Client) throws {
        try self.init(port: try client.port)
    }

    public init(port: UInt16) throws {
        descriptor = tcpSocket()
        var limit = timeval(tv_sec: 60, tv_usec: 0)
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            try #require(
                setsockopt(descriptor, SOL_SOCKET, option, &limit, socklen_t(MemoryLayout<timeval>.size)) == 0
            )
        }
        let status = sockaddr_in.loopback(port).with { connect(descriptor, $0, $1) }
        try #require(status == 0, "nobody listens on port \(port)")
    }

    deinit { close(descriptor) }

    /// - Throws: `ConnectionEnded` if the other side takes nothing more.
    public func send(_ bytes: Data) throws {
        var rest = bytes
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            guard count > 0 else { throw ConnectionEnded() }
            rest = rest.dropFirst(count)
        }
    }

    /// Ends it in order, while the value lives on.
    public func end() { shutdown(descriptor, Int32(SHUT_RDWR)) }

    /// Ends it with a reset, which throws away what the other side has not read yet; otherwise it ends in order.
    public func reset() {
        var linger = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout.size(ofValue: linger)))
    }

    /// What the other side sends next, 64 KiB at most; nothing if it has ended the connection.
    ///
    /// - Throws: `ExpectationFailedError` if it does neither within a minute.
    public func receiveBytes() throws -> Data {
        var bytes = [UInt8](repeating: 0, count: 64 << 10)
        let count = recv(descriptor, &bytes, bytes.count, 0)
        try #require(count >= 0 || errno == ECONNRESET, "nothing comes and nothing ends: errno \(errno)")
        return Data(bytes.prefix(max(0, count)))
    }

    /// The same as text.
    public func receive() throws -> String { String(decoding: try receiveBytes(), as: UTF8.self) }

    /// How many bytes come until the other side ends the connection.
    public func receiveToEnd() throws -> Int {
        var total = 0
        while case let bytes = try receiveBytes(), !bytes.isEmpty { total += bytes.count }
        return total
    }
}

/// The other side has closed the connection.
public struct ConnectionEnded: Error {}

/// A port nobody listens on, and none of those that the kernel gives to connections.
public func freePort() throws -> UInt16 {
    for _ in 0..<100 {
        let port = UInt16.random(in: 10_000..<20_000)
        let descriptor = tcpSocket()
        defer { close(descriptor) }
        guard sockaddr_in.loopback(port).with({ bind(descriptor, $0, $1) }) == 0 else { continue }
        if PortClaims.shared.claim(port) { return port }
    }
    throw CommandFailure(command: "find a free port", status: errno, message: "")
}

/// Keeps several test processes from giving out the same port before whoever asked has bound it: a name in the kernel's
/// abstract namespace (unix(7)) stands for each port for a minute, and goes with its process.
private final class PortClaims: Sendable {
    static let shared = PortClaims()

    private static let life = Duration.seconds(60)

    private let claims = Mutex<[(descriptor: Int32, since: ContinuousClock.Instant)]>([])

    /// False if another process has it.
    func claim(_ port: UInt16) -> Bool {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let name = [0] + Array("tolva-test-port-\(port)".utf8)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: name) }
        let length = socklen_t(MemoryLayout<sa_family_t>.size + name.count)
        let isClaimed = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, length) == 0 }
        }
        guard isClaimed else {
            close(descriptor)
            return false
        }
        claims.withLock { claims in
            claims.append((descriptor, .now))
            while let first = claims.first, ContinuousClock.now - first.since > Self.life {
                close(first.descriptor)
                claims.removeFirst()
            }
        }
        return true
    }
}

/// Listens on a port of this machine that the kernel chooses. Whoever asked closes the descriptor.
public func listenOnAnyPort() throws -> (descriptor: Int32, port: UInt16) {
    let descriptor = tcpSocket()
    var address = sockaddr_in()
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    guard sockaddr_in.loopback(0).with({ bind(descriptor, $0, $1) }) == 0, listen(descriptor, 64) == 0,
        address.withMutable({ getsockname(descriptor, $0, &length) }) == 0
    else {
        throw CommandFailure(command: "listen", status: errno, message: "")
    }
    return (descriptor, UInt16(bigEndian: address.sin_port))
}

func tcpSocket() -> Int32 { socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0) }

extension sockaddr_in {
    static func loopback(_ port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        address.sin_port = port.bigEndian
        return address
    }

    /// As the C library takes it.
    func with(_ call: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
        withUnsafePointer(to: self) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                call($0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }

    fileprivate mutating func withMutable(_ call: (UnsafeMutablePointer<sockaddr>) -> Int32) -> Int32 {
        withUnsafeMutablePointer(to: &self) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { call($0) }
        }
    }
}
