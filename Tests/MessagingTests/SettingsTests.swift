import Config
import Configuration
import Testing

@testable import Messaging

@Suite("Settings")
struct SettingsTests {
    @Test("An address is read with its defaults, and its account is percent-decoded")
    func address() throws {
        let short = try BrokerAddress("amqp://broker")
        #expect(short.host == "broker" && short.port == 5672 && short.virtualHost == "/")
        #expect(short.user == "guest" && short.password == "guest")
        let long = try BrokerAddress("amqp://us%2Fer:p%40ss%3A@[::1]:5673/tolva%2Fone")
        #expect(long.host == "::1" && long.port == 5673 && long.virtualHost == "tolva/one")
        #expect(long.user == "us/er" && long.password == "p@ss:")
        #expect(try BrokerAddress("amqp://broker/").virtualHost == "/")
        #expect(try BrokerAddress("amqp://broker/%2F").virtualHost == "/")
    }

    @Test(
        "A wrong address names its variable and never shows its value",
        arguments: [
            "amqps://u:hunter2@broker", "http://u:hunter2@broker", "amqp://u:hunter2@", "hunter2",
            "amqp://hunter2%00@h",
            "amqp://u:hunter2@broker:70000",
        ]
    )
    func wrongAddress(_ url: String) {
        let error = #expect(throws: SettingsError.self) { try MessagingSettings(url: url) }
        #expect(error?.variable == "AMQP_URL")
        #expect(error?.description.contains("hunter2") == false)
    }

    @Test("TLS is refused in so many words")
    func encrypted() {
        let error = #expect(throws: SettingsError.self) { try MessagingSettings(url: "amqps://broker") }
        #expect(error?.problem.contains("TLS") == true)
    }

    @Test("The environment's values are used, and those out of range stop the start")
    func environment() throws {
        func reader(_ values: [String: String]) -> SettingsReader {
            SettingsReader(ConfigReader(provider: EnvironmentVariablesProvider(environmentVariables: values)))
        }
        let settings = try MessagingSettings(
            reader: reader(["AMQP_URL": "amqp://broker", "AMQP_PUBLISHERS": "3", "AMQP_HEARTBEAT": "5s"])
        )
        #expect(settings.publisherConnections == 3 && settings.heartbeat == .seconds(5))
        #expect(throws: SettingsError.self) { try MessagingSettings(reader: reader([:])) }
        for wrong in [["AMQP_PUBLISHERS": "0"], ["AMQP_HEARTBEAT": "1s"], ["AMQP_HEARTBEAT": "5m"]] {
            #expect(throws: SettingsError.self) {
                try MessagingSettings(reader: reader(wrong.merging(["AMQP_URL": "amqp://broker"]) { $1 }))
            }
        }
    }
}
