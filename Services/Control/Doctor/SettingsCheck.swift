import Config

/// Whether the environment holds what the services cannot start without.
struct SettingsCheck {
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
