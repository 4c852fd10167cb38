import ArgumentParser
import Config
import Database
import Messaging
import Storage

/// `tolvactl doctor`
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
        let database = settings.read { () throws(SettingsError) in try DatabaseSettings.ofCommand(reader) }
        let messaging = settings.read { () throws(SettingsError) in try MessagingSettings(reader: reader) }
        let storage = settings.read { () throws(SettingsError) in try StorageSettings(reader: reader) }
        async let postgres = check(database) { await PostgresCheck(settings: $0).findings() }
        async let broker = check(messaging) { await BrokerCheck(settings: $0).findings() }
        async let volumes = check(storage) { await VolumeCheck(settings: $0, database: database).findings() }
        async let transcoder = TranscoderCheck().findings()
        return await settings.findings + postgres + broker + volumes + transcoder
    }

    /// What could not be set is not checked: the settings say so already.
    private static func check<Settings: Sendable>(
        _ settings: Settings?,
        _ body: @Sendable (Settings) async -> [Finding]
    ) async -> [Finding] {
        guard let settings else { return [] }
        return await body(settings)
    }
}
