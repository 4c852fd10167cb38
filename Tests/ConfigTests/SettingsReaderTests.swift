import Config
import Configuration
import Testing

@Suite struct SettingsReaderTests {
    private func reader(_ values: [String: String]) -> SettingsReader {
        SettingsReader(ConfigReader(provider: EnvironmentVariablesProvider(environmentVariables: values)))
    }

    @Test(
        "A size is a number of bytes, or one with a unit",
        arguments: [
            ("1048576", Int64(1 << 20)), ("50MiB", 50 << 20), ("2 GiB", 2 << 30), ("1kib", 1 << 10), ("0", 0),
        ]
    )
    func sizes(text: String, bytes: Int64) throws {
        #expect(try reader(["A_SIZE": text]).bytes("A_SIZE", default: 7) == bytes)
    }

    @Test("What is no size is refused", arguments: ["50MB", "-1", "MiB", "1.5GiB", "99999999999999TiB"])
    func badSizes(text: String) {
        #expect(throws: SettingsError.self) { try reader(["A_SIZE": text]).bytes("A_SIZE", default: 7) }
    }

    @Test(
        "A length of time is in seconds, or has a unit",
        arguments: [
            ("300", Duration.seconds(300)), ("30s", .seconds(30)), ("5m", .seconds(300)), ("24h", .seconds(86_400)),
        ]
    )
    func durations(text: String, duration: Duration) throws {
        #expect(try reader(["A_TIME": text]).duration("A_TIME", default: .zero) == duration)
    }

    @Test("A length of time may have a least one")
    func leastDuration() throws {
        #expect(
            try reader(["A_TIME": "15m"]).duration("A_TIME", default: .zero, atLeast: .seconds(900)) == .seconds(900)
        )
        #expect(throws: SettingsError(variable: "A_TIME", problem: "is less than 15 minutes", example: "24h")) {
            try reader(["A_TIME": "899s"]).duration("A_TIME", default: .zero, atLeast: .seconds(900))
        }
    }

    @Test("What is not set, or empty, has its default")
    func defaults() throws {
        let reader = reader(["EMPTY": ""])
        #expect(try reader.integer("EMPTY", default: 3, in: 1...9) == 3)
        #expect(try reader.bytes("MISSING", default: 7) == 7)
        #expect(reader.string("MISSING") == nil)
        #expect(try reader.flag("MISSING", default: true))
    }

    @Test("An error is one line that names the variable and an example")
    func errors() {
        #expect(throws: SettingsError(variable: "PORT", problem: "is 0, outside 1…65535", example: "8080")) {
            try reader(["PORT": "0"]).integer("PORT", default: 8080, in: 1...65_535)
        }
        do {
            _ = try reader([:]).required("DATABASE_URL", example: "postgresql://…")
            Issue.record("a missing variable was not noticed")
        } catch {
            #expect(error.description == "DATABASE_URL is not set. Example: DATABASE_URL=postgresql://…")
        }
    }
}
