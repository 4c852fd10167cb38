import Config

/// Whether the suite answers where `PUBLIC_URL` says clients reach it.
struct PublicURLCheck: Sendable {
    private static let path = "/health/live"

    let url: PublicURL

    func findings() async -> [Finding] {
        let address = "\(url)\(Self.path)"
        guard await InstalledProgram("curl").output(of: "--version") != nil else {
            return [.ok("public url", "\(url); not asked: curl does not run here")]
        }
        let status = await InstalledProgram("curl").output(
            of: "--silent",
            "--max-time",
            "3",
            "--output",
            "/dev/null",
            "--write-out",
            "%{http_code}",
            address
        )
        switch status {
        case "200": return [.ok("public url", "\(address) answers")]
        case nil:
            let action = "From outside it may; open it there. Otherwise see PUBLIC_URL and the proxy in front."
            return [.warn("public url", "\(address) does not answer from here within 3 s", action: action)]
        case let status?:
            let action = "See PUBLIC_URL, and where the proxy in front sends what comes there."
            return [.warn("public url", "\(address) answers with \(status), not with 200", action: action)]
        }
    }
}
