import Config
import Configuration
import Testing

@testable import Database

@Suite("Database settings")
struct DatabaseSettingsTests {
    @Test("What is not set has the documented default")
    func defaults() throws {
        let settings = try settings(["database.url": "postgres://tolva@localhost/tolva"])
        #expect(settings.poolSize == 20)
        #expect(settings.poolBurst == 10)
        #expect(settings.poolWait == .seconds(30))
        #expect(settings.statementTimeout == .seconds(30))
    }

    @Test(
        "A URL libpq would misread stops the start, without a piece of the password in the message",
        arguments: [
            "tulip", "mysql://tulip@localhost/tolva", "postgres://u:tu/lip@localhost/tolva",
            "postgres://u:tu@lip@localhost/tolva",
        ]
    )
    func refusesURLs(url: String) throws {
        let error = #expect(throws: SettingsError.self) {
            try settings(["database.url": ConfigValue(.string(url), isSecret: true)])
        }
        #expect(error?.variable == "DATABASE_URL")
        #expect(error?.description.contains("lip") == false)
    }

    @Test("The settings' description does not hold the password")
    func description() {
        #expect(!"\(DatabaseSettings(url: "postgres://u:tulip@localhost/tolva"))".contains("tulip"))
    }

    private func settings(_ values: [AbsoluteConfigKey: ConfigValue]) throws -> DatabaseSettings {
        let provider = InMemoryProvider(values: values)
        return try DatabaseSettings(reader: SettingsReader(ConfigReader(provider: provider)))
    }
}
