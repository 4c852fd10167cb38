import Config
import Configuration
import Testing

@testable import Storage

@Suite("Storage settings")
struct StorageSettingsTests {
    private func settings(_ volumes: String?, reserve: String? = nil) throws -> StorageSettings {
        var values: [AbsoluteConfigKey: ConfigValue] = [:]
        if let volumes { values[["volumes"]] = ConfigValue(.string(volumes), isSecret: false) }
        if let reserve { values[["volume", "reserve", "bytes"]] = ConfigValue(.string(reserve), isSecret: false) }
        return try StorageSettings(reader: SettingsReader(ConfigReader(provider: InMemoryProvider(values: values))))
    }

    @Test("Volumes keep their order; spaces and a last slash do not count")
    func volumes() throws {
        let settings = try settings("main=/media/main, second-2 =/media/my disk/")
        #expect(
            settings.volumes == [
                .init(name: "main", path: "/media/main"), .init(name: "second-2", path: "/media/my disk"),
            ]
        )
        #expect(settings.reserve == 1 << 30)
        #expect(try self.settings("main=/", reserve: "5MiB").reserve == 5 << 20)
    }

    @Test(
        "A wrong VOLUMES stops the start with a line that names it",
        arguments: [
            nil, "", "main", "main=", "main=media", "=/media", "Main=/media", "ma/in=/media", "main=/a,",
            "main=/a,main=/b",
            "a=/media,b=/media/",
        ]
    )
    func wrong(volumes: String?) {
        let error = #expect(throws: SettingsError.self) { try settings(volumes) }
        #expect(error?.variable == "VOLUMES")
    }
}
