import Config
import Foundation
import HTTPTypes
import Hummingbird
import Logging
import Metrics
import Synchronization

/// Where clients reach this API: `PUBLIC_URL`, or what a trusted proxy says of the request its client sent.
struct PublicAddress: Sendable {
    let configured: PublicURL?
    /// Whether a proxy stands in front that sets `X-Forwarded-For` and the like.
    let trustsProxy: Bool

    init(_ configured: PublicURL? = nil, trustsProxy: Bool) {
        self.configured = configured
        self.trustsProxy = trustsProxy
    }

    /// The whole URL of a path of this API, since not every client resolves a path.
    ///
    /// Where a proxy stands in front that is not trusted, or does not say whether its client came by TLS, it is relative
    /// to the request: right whatever the client sent it to, when a guess could make it send its token in the clear.
    func url(of path: String, for request: Request) -> String {
        if let configured { return "\(configured)\(path)" }
        let forwarded = ForwardedRequest(request.headers)
        if trustsProxy {
            guard let scheme = forwarded.scheme, let host = forwarded.host ?? host(of: request, by: scheme) else {
                return relative(path, to: request)
            }
            return "\(scheme)://\(host)\(forwarded.prefix)\(path)"
        }
        guard !forwarded.hasTraces, let host = host(of: request, by: "http") else { return relative(path, to: request) }
        return "http://\(host)\(path)"
    }

    /// What stands before every path of this API at the client's side; nothing, usually.
    func prefix(for request: Request) -> String {
        configured?.path ?? (trustsProxy ? ForwardedRequest(request.headers).prefix : "")
    }

    /// What of a request says that its client reached this API elsewhere than at `PUBLIC_URL`.
    func contradictions(in request: Request) -> [Contradiction] {
        guard let configured else { return [] }
        let forwarded = trustsProxy ? ForwardedRequest(request.headers) : ForwardedRequest([:])
        var found: [Contradiction] = []
        if let scheme = forwarded.scheme, scheme != configured.scheme { found.append(.init("scheme", scheme)) }
        let host = forwarded.host ?? request.head.authority ?? ""
        let authority = PublicURL.authority(host, of: configured.scheme)
        if authority != configured.authority { found.append(.init("host", authority ?? "")) }
        return found
    }

    struct Contradiction: Equatable {
        let what: String
        /// What the request has; nothing if that is no host at all.
        let value: String

        init(_ what: String, _ value: String) {
            (self.what, self.value) = (what, value)
        }
    }

    private func host(of request: Request, by scheme: String) -> String? {
        request.head.authority.flatMap { PublicURL.authority($0, of: scheme) }
    }

    private func relative(_ path: String, to request: Request) -> String {
        let base = request.uri.path
        let directory = base[...(base.lastIndex(of: "/") ?? base.startIndex)]
        return path.hasPrefix(directory) ? String(path.dropFirst(directory.count)) : path
    }
}

/// What the proxies in front say of the request as their client sent it. Each may add a value of its own behind those of
/// others: the first is the client's side. What is no scheme, host or path counts as not said.
struct ForwardedRequest {
    /// `http` or `https`.
    private(set) var scheme: String?
    /// With the port, if one was said.
    private(set) var host: String?
    /// What all the proxies have taken off the path, the outermost's first.
    private(set) var prefix = ""
    /// Whether there is a proxy at all.
    let hasTraces: Bool

    init(_ headers: HTTPFields) {
        hasTraces = Self.traces.contains { headers[$0] != nil }
        guard hasTraces else { return }
        let standard = headers[.forwarded].map(Self.firstElement) ?? [:]
        let scheme = (Self.first(headers[.forwardedProtocol]) ?? standard["proto"])?.lowercased()
        if let scheme, ["http", "https"].contains(scheme) { self.scheme = scheme }
        host = (Self.first(headers[.forwardedHost]) ?? standard["host"]).flatMap {
            PublicURL.authority($0, of: scheme ?? "http")
        }
        let prefixes = (headers[.forwardedPrefix] ?? "").split(separator: ",").map { PublicURL.path(Self.trimmed($0)) }
        if !prefixes.contains(nil) { prefix = prefixes.compactMap(\.self).joined() }
    }

    private static let traces: [HTTPField.Name] = [
        .forwarded, .forwardedFor, .forwardedHost, .forwardedPrefix, .forwardedProtocol, .via,
    ]

    private static func first(_ field: String?) -> String? {
        field?.split(separator: ",").first.map(trimmed)
    }

    private static func trimmed(_ text: Substring) -> String { text.trimmingCharacters(in: .whitespaces) }

    /// The pairs of the first element of `Forwarded` (RFC 7239, 4), with names in lower case. The last of several of one
    /// name counts; the RFC allows but one.
    static func firstElement(of field: String) -> [String: String] {
        var pairs: [String: String] = [:]
        var rest = field[...]
        while !rest.isEmpty {
            let name = rest.prefix { !"=;,".contains($0) }
            rest = rest[name.endIndex...]
            if rest.first == "=" {
                rest = rest.dropFirst()
                pairs[trimmed(name).lowercased()] = value(&rest)
            }
            rest = rest.drop { $0 == " " || $0 == "\t" }
            guard rest.first == ";" else { break }
            rest = rest.dropFirst()
        }
        return pairs
    }

    /// A token or a quoted string.
    private static func value(_ rest: inout Substring) -> String {
        var value = ""
        guard rest.first == "\"" else {
            let token = rest.prefix { !";,".contains($0) }
            rest = rest[token.endIndex...]
            return trimmed(token)
        }
        rest = rest.dropFirst()
        while let character = rest.popFirst(), character != "\"" {
            if let escaped = character == "\\" ? rest.popFirst() : character { value.append(escaped) }
        }
        return value
    }
}

/// Says that requests contradict `PUBLIC_URL`: counts each, and writes to the log at most once in some minutes.
final class PublicURLWatch: Sendable {
    static let interval = Duration.seconds(300)

    private let silentUntil = Mutex<ContinuousClock.Instant?>(nil)

    func note(_ contradictions: [PublicAddress.Contradiction], to configured: PublicURL, logger: Logger) {
        guard !contradictions.isEmpty else { return }
        for contradiction in contradictions {
            Counter(label: "tolva_public_url_contradictions_total", dimensions: [("what", contradiction.what)])
                .increment()
        }
        guard isDue(at: .now) else { return }
        logger.warning(
            "Requests come by another address than PUBLIC_URL: see it, and what the proxy sends",
            metadata: [
                "public_url": "\(configured)",
                "seen": "\(contradictions.map { "\($0.what) \($0.value)" }.joined(separator: ", "))",
            ]
        )
    }

    func isDue(at now: ContinuousClock.Instant) -> Bool {
        silentUntil.withLock { silentUntil in
            if let silentUntil, now < silentUntil { return false }
            silentUntil = now + Self.interval
            return true
        }
    }
}

extension HTTPField.Name {
    static let forwarded = known("Forwarded")
    static let forwardedFor = known("X-Forwarded-For")
    static let forwardedHost = known("X-Forwarded-Host")
    static let forwardedPrefix = known("X-Forwarded-Prefix")
    static let forwardedProtocol = known("X-Forwarded-Proto")
}
