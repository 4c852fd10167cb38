import Foundation
import Logging
import Testing

@testable import Telemetry

@Suite("Logs")
struct LogTests {
    private struct Failure: Error, CustomStringConvertible {
        let description = "it broke"
    }

    @Test("A record is one line of JSON that begins with the fixed keys")
    func shape() throws {
        let text = logged { logger in
            logger.info("hello", metadata: ["zeta": "1", "alpha": "\(2)"])
        }
        #expect(text.hasPrefix(#"{"time":""#))
        #expect(
            text.hasSuffix(
                #"","level":"info","service":"api","instance":"one","message":"hello","alpha":"2","zeta":"1"}"# + "\n"
            )
        )
        let time = try #require(try fields(text)["time"])
        #expect(time.wholeMatch(of: /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/) != nil)
        #expect(JSONLogHandler.timestamp(of: timespec(tv_sec: 0, tv_nsec: 5_000_000)) == "1970-01-01T00:00:00.005Z")
    }

    @Test("Metadata never takes the place of a fixed key")
    func fixedKeys() throws {
        let fields = try fields(logged { $0.info("hello", metadata: ["level": "fake", "message": "fake"]) })
        #expect(fields["level"] == "info")
        #expect(fields["message"] == "hello")
        #expect(fields["level_"] == "fake")
    }

    @Test("Nested metadata, lists and errors become flat texts")
    func flat() throws {
        let text = logged { logger in
            logger.error(
                "failed",
                error: Failure(),
                metadata: ["job": ["id": "7", "kind": "image"], "list": ["a", "b"]]
            )
        }
        let fields = try fields(text)
        #expect(fields["job.id"] == "7")
        #expect(fields["job.kind"] == "image")
        #expect(fields["list"] == #"["a", "b"]"#)
        #expect(fields["error"] == "it broke")
        #expect(fields["error_type"] == "Failure")
    }

    @Test("Control characters are escaped, so nobody forges a line or commands a terminal")
    func controlCharacters() throws {
        let nasty = "a\n{\"level\":\"error\"}\u{1B}[2J\u{9B}2J\u{7F}\0\"\\ ñ 🎞"
        let text = logged { $0.info("\(nasty)", metadata: ["k\n": "\(nasty)"]) }
        #expect(text.unicodeScalars.count { $0.value < 32 || (127...159).contains($0.value) } == 1)
        let fields = try fields(text)
        #expect(fields["message"] == nasty)
        #expect(fields["k\n"] == nasty)
    }

    @Test("A record never outgrows what one write to a pipe takes at once")
    func bounded() throws {
        let long = String(repeating: "ñ\u{1}", count: 5000)
        var metadata: Logger.Metadata = [:]
        for index in 0..<50 { metadata["key\(index)" + String(repeating: "\"", count: index * 9)] = "\(long)" }
        let text = logged { $0.info("\(long)", metadata: metadata) }
        #expect(text.utf8.count <= 4096)
        let fields = try fields(text)
        #expect(fields["truncated"] == "true")
        #expect(fields["message"]?.hasSuffix("…") == true)
    }

    @Test("A reader that stands still holds a logger up once; lost lines are counted when it reads again")
    func stuckReader() throws {
        let pipe = Pipe()
        let logger = logger(to: pipe)
        let clock = ContinuousClock()
        let time = clock.measure {
            for _ in 0..<1000 { logger.info("\(String(repeating: "x", count: 1000))") }
        }
        #expect(time < .seconds(2))
        var buffer = [UInt8](repeating: 0, count: 1 << 20)
        let count = read(pipe.fileHandleForReading.fileDescriptor, &buffer, buffer.count)
        let before = buffer.prefix(count)
        #expect(before.last == UInt8(ascii: "\n"))
        logger.info("back")
        try pipe.fileHandleForWriting.close()
        let rest = String(decoding: try pipe.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
        let lines = rest.split(separator: "\n")
        let notice = try #require(lines.first { $0.contains("log records were lost") })
        let written = (String(decoding: before, as: UTF8.self) + rest).split(separator: "\n").count {
            $0.contains("xxx")
        }
        #expect(try fields(String(notice))["lost"] == "\(1000 - written)")
        #expect(lines.last?.contains(#""message":"back""#) == true)
    }

    @Test("A reader that went away costs nothing")
    func closedReader() throws {
        signal(SIGPIPE, SIG_IGN)
        let pipe = Pipe()
        let logger = logger(to: pipe)
        try pipe.fileHandleForReading.close()
        let time = ContinuousClock().measure {
            for _ in 0..<1000 { logger.info("nobody reads this") }
        }
        #expect(time < .seconds(1))
    }

    private func logger(to pipe: Pipe) -> Logger {
        let output = LogOutput(descriptor: pipe.fileHandleForWriting.fileDescriptor)
        return Logger(label: "test") { _ in JSONLogHandler(service: "api", instance: "one", output: output) }
    }

    private func logged(_ body: (Logger) -> Void) -> String {
        let pipe = Pipe()
        body(logger(to: pipe))
        return String(decoding: pipe.fileHandleForReading.availableData, as: UTF8.self)
    }

    private func fields(_ line: String) throws -> [String: String] {
        try JSONDecoder().decode([String: String].self, from: Data(line.utf8))
    }
}
