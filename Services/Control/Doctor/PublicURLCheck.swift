import Config

/// Whether the suite answers where `PUBLIC_URL` says clients reach it.
struct PublicURLCheck: Sendable {
    private static let path = "/health/live"
    private static let seconds = 3

    let url: PublicURL

    private var address: String { "\(url)\(Self.path)" }

    func findings() async -> [Finding] {
        let arguments = [
            "--silent", "--max-time", "\(Self.seconds)", "--output", "/dev/null", "--write-out",
            "%{http_code} %{errormsg}", address,
        ]
        guard let (status, output) = await InstalledProgram("curl").run(arguments) else {
            return [.ok("public url", "\(url); not asked: curl does not run here")]
        }
        let words = output.split(separator: " ", maxSplits: 1).map(String.init)
        guard status == 0 else { return [failure(status, words.count > 1 ? words[1] : "curl ends with \(status)")] }
        switch words.first {
        case "200": return [.ok("public url", "\(address) answers")]
        case let answer:
            let action = "See PUBLIC_URL, and where the proxy in front sends what comes there."
            return [.warn("public url", "\(address) answers with \(answer ?? ""), not with 200", action: action)]
        }
    }

    /// By what curl ends with and says ("EXIT CODES" in its manual).
    private func failure(_ status: Int, _ words: String) -> Finding {
        let fromOutside = "From outside it may; open it there. Otherwise see PUBLIC_URL"
        let (found, action) =
            switch status {
            case 6: ("has a name that is not found from here", "\(fromOutside) and the DNS.")
            case 7: ("takes no connection from here", "\(fromOutside), the proxy in front and the firewall.")
            case 28: ("does not answer from here within \(Self.seconds) s", "\(fromOutside) and the proxy in front.")
            case 51, 58, 60, 77, 83, 91:
                (
                    "has a certificate that is not trusted here",
                    "See the certificate of the proxy in front, and its chain."
                )
            case 35: ("does not speak TLS as it should", "See the scheme in PUBLIC_URL, and TLS of the proxy in front.")
            default: ("cannot be asked from here", "\(fromOutside) and the proxy in front.")
            }
        return .warn("public url", "\(address) \(found) (\(words))", action: action)
    }
}
