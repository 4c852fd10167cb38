import Foundation

/// One JSON object on one line, its members in the order they are added. It cannot fail, unlike a general encoder.
struct JSONObject {
    private var members: [UInt8] = []

    /// As it is written.
    var bytes: [UInt8] { [UInt8(ascii: "{")] + members + [UInt8(ascii: "}")] }

    /// Adds a text; nothing if there is none.
    mutating func add(_ name: String, _ value: String?) {
        guard let value else { return }
        addName(name)
        append(value)
    }

    /// Adds a whole number.
    mutating func add(_ name: String, _ value: Int64) {
        addName(name)
        members.append(contentsOf: "\(value)".utf8)
    }

    /// Adds a time as the API writes it: RFC 3339 in UTC with milliseconds; nothing if there is none.
    mutating func add(_ name: String, _ value: Date?) {
        add(name, value?.formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true)))
    }

    private mutating func addName(_ name: String) {
        if !members.isEmpty { members.append(UInt8(ascii: ",")) }
        append(name)
        members.append(UInt8(ascii: ":"))
    }

    /// RFC 8259, 7: nothing but quotation marks, backslashes and control characters has to be escaped.
    private mutating func append(_ text: String) {
        members.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): members += [UInt8(ascii: "\\"), byte]
            case ..<0x20: members.append(contentsOf: "\\u00\(byte < 16 ? "0" : "")\(String(byte, radix: 16))".utf8)
            default: members.append(byte)
            }
        }
        members.append(UInt8(ascii: "\""))
    }
}
