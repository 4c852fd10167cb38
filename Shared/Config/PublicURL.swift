import Foundation

/// The address clients reach the suite at: `https://tolva.example.com`, with a port or a path before every other if need
/// be.
public struct PublicURL: Hashable, Sendable, CustomStringConvertible {
    /// `http` or `https`.
    public let scheme: String
    /// The host in lower case, and the port unless it is the scheme's own.
    public let authority: String
    /// Nothing, or a path that begins with a slash and does not end with one.
    public let path: String

    /// Nil for anything but `http` or `https`, a host, and perhaps a port and a path.
    public init?(_ text: String) {
        guard let separator = text.firstRange(of: "://") else { return nil }
        let scheme = text[..<separator.lowerBound].lowercased()
        let rest = text[separator.upperBound...]
        let host = rest.prefix { $0 != "/" }
        guard ["http", "https"].contains(scheme), let authority = Self.authority(host, of: scheme),
            let path = Self.path(rest[host.endIndex...])
        else { return nil }
        self.scheme = scheme
        self.authority = authority
        self.path = path
    }

    /// As browsers write it in `Origin`: without a path.
    public var origin: String { "\(scheme)://\(authority)" }

    public var description: String { origin + path }

    /// A host and perhaps a port, in the form that can be compared; nil for what is none.
    public static func authority(_ text: some StringProtocol, of scheme: String) -> String? {
        let text = text.lowercased()
        let host: Substring
        if text.hasPrefix("[") {
            guard let end = text.firstIndex(of: "]") else { return nil }
            host = text[...end]
            guard host.count > 4, host.dropFirst().dropLast().utf8.allSatisfy(addressBytes.contains) else { return nil }
        } else {
            host = text.prefix { $0 != ":" }
            guard (1...253).contains(host.utf8.count), host.utf8.allSatisfy(nameBytes.contains) else { return nil }
        }
        let end = text[host.endIndex...]
        guard !end.isEmpty else { return String(host) }
        let digits = end.dropFirst()
        guard end.hasPrefix(":"), digits.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
            let port = UInt16(digits), port > 0
        else { return nil }
        return port == (scheme == "https" ? 443 : 80) ? String(host) : "\(host):\(port)"
    }

    /// A path without the slash at its end; nil for what is none, or does not stay where it says.
    public static func path(_ text: some StringProtocol) -> String? {
        var path = String(text)
        while path.hasSuffix("/") { path.removeLast() }
        guard !path.isEmpty else { return "" }
        let segments = path.split(separator: "/", omittingEmptySubsequences: false).dropFirst()
        guard path.hasPrefix("/"), path.utf8.count <= 256, path.utf8.allSatisfy(pathBytes.contains),
            !segments.contains(where: { ["", ".", ".."].contains($0) })
        else { return nil }
        return path
    }

    private static let addressBytes = Set("0123456789abcdef:.".utf8)
    private static let nameBytes = Set("abcdefghijklmnopqrstuvwxyz0123456789-._".utf8)
    private static let pathBytes = Set(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,;=:@%/".utf8
    )
}

extension SettingsReader {
    /// The address of a server; nil if the variable is not set.
    public func publicURL(_ name: String) throws(SettingsError) -> PublicURL? {
        guard let text = string(name) else { return nil }
        guard let url = PublicURL(text) else {
            throw SettingsError(
                variable: name,
                problem: "is not http:// or https:// with a host, and perhaps a port and a path: \(text)",
                example: "https://tolva.example.com"
            )
        }
        return url
    }

    /// Origins of pages, separated by commas; none if the variable is not set.
    public func origins(_ name: String) throws(SettingsError) -> Set<String> {
        var origins: Set<String> = []
        for text in (string(name) ?? "").split(separator: ",") {
            let text = text.trimmingCharacters(in: .whitespaces)
            guard let url = PublicURL(text), url.path.isEmpty, !text.hasSuffix("/") else {
                throw SettingsError(
                    variable: name,
                    problem: "has what is no origin (http:// or https://, a host, perhaps a port): \(text)",
                    example: "https://app.example.com,http://localhost:5173"
                )
            }
            origins.insert(url.origin)
        }
        return origins
    }
}
