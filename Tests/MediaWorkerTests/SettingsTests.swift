import Config
import Configuration
import Testing

@testable import MediaWorker

@Suite("Settings of the media worker")
struct SettingsTests {
    private func settings(_ variables: [String: String]) throws -> MediaSettings {
        let provider = EnvironmentVariablesProvider(environmentVariables: variables)
        return try MediaSettings(reader: SettingsReader(ConfigReader(provider: provider)))
    }

    @Test("Without a variable everything has its default")
    func defaults() throws {
        let settings = try settings([:])
        #expect(settings.compressedSide == 1920)
        #expect(settings.maximumImagePixels == 250_000_000)
        #expect(settings.maximumDecodedBytes == 512 << 20)
        #expect(settings.imageMemoryBytes > 0)
        #expect(settings.videoPreset == .veryfast)
    }

    @Test("Each variable is read")
    func variables() throws {
        let settings = try settings([
            "IMAGE_SLOTS": "3", "VIDEO_SLOTS": "2", "COMPRESSED_QUALITY": "70", "VIDEO_PRESET": "medium",
            "VIDEO_TIMEOUT": "90m", "VIDEO_MEMORY_BYTES": "2GiB", "MAX_VIDEO_DURATION": "600",
            "MAX_IMAGE_DECODED_BYTES": "64MiB", "IMAGE_MEMORY_BYTES": "1GiB", "IMAGE_TIMEOUT": "30s",
        ])
        #expect(settings.imageSlots == 3)
        #expect(settings.videoSlots == 2)
        #expect(settings.compressedQuality == 70)
        #expect(settings.videoPreset == .medium)
        #expect(settings.videoTimeout == .seconds(5400))
        #expect(settings.videoMemoryBytes == 2 << 30)
        #expect(settings.maximumVideoDuration == .seconds(600))
        #expect(settings.maximumDecodedBytes == 64 << 20)
        #expect(settings.imageMemoryBytes == 1 << 30)
        #expect(settings.imageTimeout == .seconds(30))
    }

    @Test("A wrong value stops the start and is named", arguments: ["IMAGE_SLOTS", "VIDEO_PRESET", "VIDEO_TIMEOUT"])
    func wrong(_ name: String) {
        let error = #expect(throws: SettingsError.self) { try settings([name: "many"]) }
        #expect(error?.variable == name)
    }
}
