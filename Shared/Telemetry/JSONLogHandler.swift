import Glibc
import Logging
import Models
import Synchronization

/// Writes each record as one line of JSON: `time`, `level`, `service`, `instance`, `message`, then the metadata's keys.
struct JSONLogHandler: LogHandler {
    let service: String
    let instance: String
    let output: LogOutput

    var logLevel = Logger.Level.info
    var metadata: Logger.Metadata = [:]
    var metadataProvider: Logger.MetadataProvider?

    init(service: String, instance: String, output: LogOutput) {
        self.service = service
        self.instance = instance
        self.output = output
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var fields = metadata
        if let provided = metadataProvider?.get() { fields.merge(provided) { _, new in new } }
        if let error = event.error {
            fields["error"] = "\(error)"
            fields["error_type"] = "\(type(of: error))"
        }
        if let own = event.metadata { fields.merge(own) { _, new in new } }
        output.write(line(event.level, event.message.description, fields)) { lost in
            let message = "log records were lost because standard output was not read"
            return line(.warning, message, ["lost": "\(lost)"])
        }
    }

    private func line(_ level: Logger.Level, _ message: String, _ fields: Logger.Metadata) -> [UInt8] {
        var record = LogRecord()
        record.append("time", Self.timestamp())
        record.append("level", level.rawValue)
        record.append("service", service)
        record.append("instance", instance)
        record.append("message", message, atMost: 2048)
        record.append(fields)
        return record.finished()
    }

    /// Now, as RFC 3339 in UTC with milliseconds.
    static func timestamp() -> String {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        return timestamp(of: now)
    }

    static func timestamp(of moment: timespec) -> String {
        var seconds = moment.tv_sec
        var date = tm()
        gmtime_r(&seconds, &date)
        func padded(_ number: some BinaryInteger, to width: Int = 2) -> String {
            let digits = String(number)
            return String(repeating: "0", count: max(0, width - digits.count)) + digits
        }
        let day = "\(padded(date.tm_year + 1900, to: 4))-\(padded(date.tm_mon + 1))-\(padded(date.tm_mday))"
        let time = "\(padded(date.tm_hour)):\(padded(date.tm_min)):\(padded(date.tm_sec))"
        return "\(day)T\(time).\(padded(moment.tv_nsec / 1_000_000, to: 3))Z"
    }
}

/// One line of JSON in the making, at most `PIPE_BUF` bytes long, so that one write to a pipe is atomic.
///
/// Values too long are cut and end in `…`; keys for which no room is left are dropped and `truncated` says so.
struct LogRecord {
    static let maximumBytes = 4096
    private static let maximumKeyBytes = 128
    private static let fixedKeys: Set<String> = ["time", "level", "service", "instance", "message", "truncated"]
    private static let ending = Array(#","truncated":"true"}"#.utf8) + [UInt8(ascii: "\n")]

    private static let ellipsis = Array("…".utf8)

    private var bytes: [UInt8] = [UInt8(ascii: "{")]
    private var isTruncated = false

    /// Adds one key. Metadata never takes the place of a fixed key: see `append(_:)` for a dictionary.
    mutating func append(_ key: String, _ value: String, atMost limit: Int = 1024) {
        // Around a key and its value stand a comma, four quotes and a colon.
        let room = Self.maximumBytes - Self.ending.count - bytes.count - Self.maximumKeyBytes - 6
        guard room > 32 else {
            isTruncated = true
            return
        }
        if bytes.count > 1 { bytes.append(UInt8(ascii: ",")) }
        appendQuoted(key, atMost: Self.maximumKeyBytes)
        bytes.append(UInt8(ascii: ":"))
        appendQuoted(value, atMost: min(limit, room))
    }

    /// Adds metadata in the order of its keys; what is nested becomes `outer.inner`.
    mutating func append(_ metadata: Logger.Metadata, below prefix: String = "") {
        for (key, value) in metadata.sorted(by: { $0.key < $1.key }) {
            let path = prefix + key
            switch value {
            case .dictionary(let inner): append(inner, below: path + ".")
            case .string, .stringConvertible, .array:
                append(Self.fixedKeys.contains(path) ? path + "_" : path, value.description)
            }
        }
    }

    /// The line, with its line feed.
    consuming func finished() -> [UInt8] {
        if isTruncated {
            bytes.append(contentsOf: Self.ending)
        } else {
            bytes.append(UInt8(ascii: "}"))
            bytes.append(UInt8(ascii: "\n"))
        }
        return bytes
    }

    private mutating func appendQuoted(_ text: String, atMost limit: Int) {
        bytes.append(UInt8(ascii: "\""))
        let end = bytes.count + limit
        for scalar in text.unicodeScalars {
            guard bytes.count <= end - JSONEscaping.maximumScalarBytes - Self.ellipsis.count else {
                bytes.append(contentsOf: Self.ellipsis)
                break
            }
            JSONEscaping.append(scalar, to: &bytes)
        }
        bytes.append(UInt8(ascii: "\""))
    }
}

/// A descriptor that log lines go to, one `write` each.
///
/// A reader that stands still holds up one caller for the time limit; from then on lines are dropped and counted
/// until it reads again. A reader that went away costs nothing.
final class LogOutput: Sendable {
    private struct State {
        var isStuck = false
        var lost = 0
    }

    private let descriptor: Int32
    private let timeoutMilliseconds: Int32
    private let state = Mutex(State())

    init(descriptor: Int32, timeoutMilliseconds: Int32 = 50) {
        self.descriptor = descriptor
        self.timeoutMilliseconds = timeoutMilliseconds
    }

    /// Writes one line, after `notice` of how many were lost before it.
    func write(_ line: [UInt8], notice: (Int) -> [UInt8]) {
        state.withLock { state in
            guard hasRoom(within: state.isStuck ? 0 : timeoutMilliseconds) else {
                state.isStuck = true
                state.lost += 1
                return
            }
            state.isStuck = false
            if state.lost > 0, put(notice(state.lost)) {
                state.lost = 0
            }
            if !hasRoom(within: 0) || !put(line) { state.lost += 1 }
        }
    }

    /// Whether a line can be written at once: a pipe that polls writable takes `PIPE_BUF` bytes without blocking.
    private func hasRoom(within milliseconds: Int32) -> Bool {
        var request = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        let ready = poll(&request, 1, milliseconds)
        return ready == 1 && Int32(request.revents) & POLLOUT != 0 && Int32(request.revents) & POLLERR == 0
    }

    private func put(_ line: [UInt8]) -> Bool {
        while true {
            let written = Glibc.write(descriptor, line, line.count)
            if written < 0, errno == EINTR { continue }
            return written == line.count
        }
    }
}
