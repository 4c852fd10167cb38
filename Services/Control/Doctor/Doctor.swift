import ArgumentParser
import Config
import Database
import Messaging
import Storage

struct Doctor: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Checks everything the suite depends on and says what to do.",
        discussion: "It ends with 1 if anything fails; warnings alone end with 0."
    )

    @Flag(help: "Print JSON.")
    var json = false

    func run() async throws {
        let findings = await Self.findings(reader: .environment())
        if json {
            try Terminal.printJSON(findings)
        } else {
            for finding in findings { print(finding.text) }
        }
        if findings.contains(where: { $0.status == .fail }) { throw ExitCode.failure }
    }

    static func findings(reader: SettingsReader) async -> [Finding] {
        var settings = SettingsCheck()
        let database = settings.read { () throws(SettingsError) in try DatabaseSettings.forCommand(reader) }
        let messaging = settings.read { () throws(SettingsError) in try MessagingSettings(reader: reader) }
        let storage = settings.read { () throws(SettingsError) in try StorageSettings(reader: reader) }
        let publicURL = settings.read { () throws(SettingsError) in try reader.publicURL("PUBLIC_URL") } ?? nil
        async let postgres = check(database) { await PostgresCheck(settings: $0).findings() }
        async let broker = check(messaging) { await BrokerCheck(settings: $0).findings() }
        async let volumes = check(storage) { await VolumeCheck(settings: $0, database: database).findings() }
        async let ffmpeg = FFmpegCheck().findings()
        async let address = check(publicURL) { await PublicURLCheck(url: $0).findings() }
        return await settings.findings + postgres + broker + volumes + ffmpeg + address
    }

    /// Without settings nothing is checked: that finding is reported already.
    private static func check<Settings: Sendable>(
        _ settings: Settings?,
        _ body: @Sendable (Settings) async -> [Finding]
    ) async -> [Finding] {
        guard let settings else { return [] }
        return await body(settings)
    }
}

/// Whether the environment holds what the services cannot start without.
private struct SettingsCheck {
    private var problems: [Finding] = []

    /// Reads one module's settings; nil, and a finding, if they are missing or wrong.
    mutating func read<Settings>(_ make: () throws(SettingsError) -> Settings) -> Settings? {
        do throws(SettingsError) {
            return try make()
        } catch {
            problems.append(.fail("settings", "\(error)", action: "Set \(error.variable) as .env.example explains it."))
            return nil
        }
    }

    var findings: [Finding] {
        problems.isEmpty ? [.ok("settings", "DATABASE_URL, AMQP_URL and VOLUMES can be read")] : problems
    }
}

/// What one check found, and what the operator can do about it.
struct Finding: Encodable, Sendable {
    enum Status: String, Encodable, Sendable {
        case ok
        case warn
        case fail
    }

    let name: String
    let status: Status
    let found: String
    let action: String?

    static func ok(_ name: String, _ found: String) -> Finding {
        Finding(name: name, status: .ok, found: found, action: nil)
    }

    static func warn(_ name: String, _ found: String, action: String) -> Finding {
        Finding(name: name, status: .warn, found: found, action: action)
    }

    static func fail(_ name: String, _ found: String, action: String) -> Finding {
        Finding(name: name, status: .fail, found: found, action: action)
    }

    /// A line for the terminal, with a second one for the action.
    var text: String {
        let column = name.padded(to: 17) + " "
        let line = status.rawValue.padded(to: 6) + column + found.replacing("\n", with: " ").replacing("\t", with: "")
        return action.map { "\(line)\n      → \($0)" } ?? line
    }
}

extension String {
    fileprivate func padded(to width: Int) -> String {
        self + String(repeating: " ", count: max(0, width - count))
    }
}
