import Glibc
import Logging

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
