import Foundation
import Models
import TestSupport
import Testing

extension Integration {
    /// Programs of other people, as they come from their registry.
    @Suite(.enabled(if: Counts.areFull, "FULL_COUNTS=1 installs and runs them")) struct UploadClients {
        @Test("1 GiB arrives bit for bit though the process is killed ten times", arguments: ["tuspy", "aiotus"])
        func killed(_ name: String) async throws {
            try await TestSupport.Suite.with(environment: ["MAX_DOCUMENT_BYTES": "2GiB"]) { suite in
                let clients = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
                    .deletingLastPathComponent()
                    .appending(path: "Clients").path
                let python = suite.directory.appending(path: "python").path
                try await run("python3", "-m", "venv", python)
                try await run("\(python)/bin/pip", "install", "--quiet", "-r", "\(clients)/requirements.txt")
                let file = suite.directory.appending(path: "large.pdf")
                let size = 1 << 30
                let content = "printf '%%PDF-1.4'; head -c \(size - 8) /dev/urandom"
                try await run("sh", "-c", "(\(content)) > '\(file.path)'")

                let url = "\(suite.client.base)/v1/uploads"
                let upload = Task { [token = suite.client.token ?? ""] in
                    try await run("\(python)/bin/python", "\(clients)/tus_upload.py", name, url, token, file.path)
                }
                var api = suite.api
                for kill in 1...10 {
                    try await suite.recorded { $0 >= size / 11 * kill }
                    api.send(SIGKILL)
                    _ = try await api.waitForEnd()
                    api = try await suite.start(.api)
                }
                let address = try await upload.value.trimmingCharacters(in: .whitespacesAndNewlines)
                let path = try #require(URL(string: address)?.path)
                let asset = try await ResumableClient(suite).asset(of: path)
                #expect(asset["sha256"].string == String(try await run("sha256sum", file.path).prefix(64)))
                #expect(asset["bytes"].integer == size)
                #expect(suite.files.count == 1, "\(suite.files)")
                try await suite.stop(api)
            }
        }
    }
}
