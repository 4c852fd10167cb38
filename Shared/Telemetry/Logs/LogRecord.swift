import Logging
import Models

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
