import Config
import Foundation

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
