import Foundation
import Models
import TestSupport
import Testing

extension Integration {
    /// Programs of other people, as they come from their registry.
    @Suite(.enabled(if: Counts.areFull, "FULL_COUNTS=1 installs them from PyPI and sends 2 GiB")) struct UploadClients {
        @Test("1 GiB arrives bit for bit though the process is killed ten times", arguments: ["tuspy", "aiotus"])
        func killed(_ name: String) async throws {
            try await TestStack.with(environment: ["MAX_DOCUMENT_BYTES": "2GiB"]) { stack in
                let clients = Checkout.root.appending(path: "Tests/Clients").path
                let python = stack.directory.appending(path: "python").path
                try await run("python3", "-m", "venv", python)
                try await run("\(python)/bin/pip", "install", "--quiet", "-r", "\(clients)/requirements.txt")
                let file = stack.directory.appending(path: "large.pdf")
                let size = 1 << 30
                let content = "printf '%%PDF-1.4'; head -c \(size - 8) /dev/urandom"
                try await run("sh", "-c", "(\(content)) > '\(file.path)'")

                let url = "\(stack.client.base)/v1/uploads"
                let upload = Task { [token = stack.client.token ?? ""] in
                    try await run("\(python)/bin/python", "\(clients)/tus_upload.py", name, url, token, file.path)
                }
                var api = stack.api
                for kill in 1...10 {
                    try await stack.recorded { $0 >= size / 11 * kill }
                    try await api.killed()
                    api = try await stack.start(.api)
                }
                let address = try await upload.value.trimmingCharacters(in: .whitespacesAndNewlines)
                let path = try #require(URL(string: address)?.path)
                let asset = try await ResumableClient(stack).asset(of: path)
                #expect(try await asset["sha256"].string == sha256(of: file))
                #expect(asset["bytes"].integer == size)
                #expect(stack.files.count == 1, "\(stack.files)")
                try await stack.stop(api)
            }
        }
    }
}
