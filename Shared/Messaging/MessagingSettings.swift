public import Config
import Foundation

/// Where the broker is, and how long its clients wait for it.
public struct MessagingSettings: Sendable {
    let broker: BrokerAddress
    let topology: Topology
    /// After twice this long without a byte either side takes the other for dead.
    let heartbeat: Duration
    let publisherConnections: Int
    /// From the call of `publish` to the broker's confirm, waiting for a place in the window included.
    let publishTimeout: Duration
    /// Messages one connection has sent and the broker not yet confirmed.
    let publishWindow: Int

    public init(reader: SettingsReader) throws(SettingsError) {
        let url = try reader.required("AMQP_URL", example: BrokerAddress.example, isSecret: true)
        let heartbeat = try reader.duration("AMQP_HEARTBEAT", default: .seconds(10))
        guard (.seconds(2) ... .seconds(60)).contains(heartbeat) else {
            throw SettingsError(variable: "AMQP_HEARTBEAT", problem: "is outside 2…60 s", example: "10s")
        }
        try self.init(
            url: url,
            heartbeat: heartbeat,
            publisherConnections: reader.integer("AMQP_PUBLISHERS", default: 2, in: 1...16)
        )
    }

    init(
        url: String,
        topology: Topology = .tolva,
        heartbeat: Duration = .seconds(10),
        publisherConnections: Int = 2,
        publishTimeout: Duration = .seconds(10),
        publishWindow: Int = 2_000
    ) throws(SettingsError) {
        broker = try BrokerAddress(url)
        self.topology = topology
        self.heartbeat = heartbeat
        self.publisherConnections = publisherConnections
        self.publishTimeout = publishTimeout
        self.publishWindow = publishWindow
    }
}

/// A broker's address and the account to use there, as an `amqp://` URL says them.
struct BrokerAddress: Sendable, CustomStringConvertible {
    static let example = "amqp://tolva:password@127.0.0.1:5672/"

    let host: String
    let port: Int
    let user: String
    let password: String
    let virtualHost: String

    /// Reads `amqp://user:password@host:port/virtual-host`, each part percent-encoded and all but the host
    /// optional. A path that is missing or just `/` means the virtual host `/`, as everybody expects of it.
    init(_ url: String) throws(SettingsError) {
        func problem(_ text: String) -> SettingsError {
            SettingsError(variable: "AMQP_URL", problem: text, example: Self.example)
        }
        guard let parts = URLComponents(string: url), let scheme = parts.scheme?.lowercased() else {
            throw problem("is not an amqp:// address")
        }
        guard scheme != "amqps" else {
            throw problem("asks for TLS (amqps://), which is not supported; keep the broker on a private network")
        }
        guard scheme == "amqp" else { throw problem("is not an amqp:// address") }
        guard let host = parts.host, !host.isEmpty else { throw problem("names no host") }
        let path = parts.path.hasPrefix("/") ? String(parts.path.dropFirst()) : parts.path
        let texts = [host, parts.user ?? "guest", parts.password ?? "guest", path]
        guard !texts.contains(where: { $0.utf8.contains(0) }) else { throw problem("contains a NUL character") }
        self.host = host.hasPrefix("[") ? String(host.dropFirst().dropLast()) : host
        port = parts.port ?? 5_672
        guard (1...65_535).contains(port) else { throw problem("names a port outside 1…65535") }
        user = texts[1]
        password = texts[2]
        virtualHost = path.isEmpty ? "/" : path
    }

    /// What may stand in logs and errors: never the account.
    var description: String { "\(host):\(port)" }
}
