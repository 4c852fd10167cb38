import Config
import Configuration
import Testing

@Suite("The address clients use")
struct PublicURLTests {
    private func reader(_ values: [String: String]) -> SettingsReader {
        SettingsReader(ConfigReader(provider: EnvironmentVariablesProvider(environmentVariables: values)))
    }

    @Test(
        "It has a scheme, a host, and perhaps a port and a path, in one form however it is written",
        arguments: [
            ("https://tolva.example.com", "https://tolva.example.com"),
            ("http://10.0.0.5:8080", "http://10.0.0.5:8080"),
            ("HTTPS://Tolva.Example.com:443/", "https://tolva.example.com"), ("http://a:80/b/", "http://a/b"),
            ("http://a:443", "http://a:443"),
            ("https://[2001:DB8::1]:8443/in/Take", "https://[2001:db8::1]:8443/in/Take"),
            ("https://a/b%20c/~d", "https://a/b%20c/~d"),
        ]
    )
    func forms(text: String, form: String) throws {
        #expect(try #require(try reader(["PUBLIC_URL": text]).publicURL("PUBLIC_URL")).description == form)
    }

    @Test(
        "Anything else stops the start with the variable's name",
        arguments: [
            "tolva.example.com", "ftp://a", "https://", "https:///path", "https://user@a", "https://a:b", "https://a:0",
            "https://a:65536", "https://a:+1", "https://a?x", "https://a/#b", "https://a/b?c", "https://a b",
            "https://a//b", "https://a/../b", "https://[::1", "https://[]", "https://é.example", "https://a\r\nb",
        ]
    )
    func refused(text: String) throws {
        let error = #expect(throws: SettingsError.self) { try reader(["PUBLIC_URL": text]).publicURL("PUBLIC_URL") }
        #expect(error?.variable == "PUBLIC_URL")
        #expect(error?.description.contains("Example: PUBLIC_URL=https://") == true)
    }

    @Test("Origins are a list, each with a scheme and a host and no more; none is set by default")
    func origins() throws {
        #expect(try reader([:]).origins("CORS_ORIGINS").isEmpty)
        let list = "https://App.example.com, http://localhost:5173,https://b:443"
        #expect(
            try reader(["CORS_ORIGINS": list]).origins("CORS_ORIGINS")
                == ["https://app.example.com", "http://localhost:5173", "https://b"]
        )
        for text in ["*", "null", "app.example.com", "https://a/", "https://a/b", "https://a;https://b"] {
            let error = #expect(throws: SettingsError.self) {
                try reader(["CORS_ORIGINS": text]).origins("CORS_ORIGINS")
            }
            #expect(error?.variable == "CORS_ORIGINS", "\(text)")
        }
    }
}
