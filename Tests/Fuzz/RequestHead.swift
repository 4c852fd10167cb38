import HTTPTypes

/// An input read as a request's head: the method and the target on the first line, a header on each of the others.
struct RequestHead {
    let head: HTTPRequest

    var headers: HTTPFields { head.headerFields }

    init(_ input: [UInt8]) {
        var (line, rest) = input.firstLine
        let words = line.split(separator: 0x20)
        var head = HTTPRequest(method: .post, scheme: nil, authority: "example.com", path: "/v1/uploads")
        if let word = words.first, let method = HTTPRequest.Method(String(decoding: word, as: UTF8.self)) {
            head.method = method
        }
        // Others do not pass the codec.
        if words.count > 1, words[1].first == UInt8(ascii: "/"), words[1].allSatisfy({ $0 > 0x20 && $0 < 0x7F }) {
            head.path = String(decoding: words[1], as: UTF8.self)
        }
        while !rest.isEmpty {
            (line, rest) = rest.firstLine
            let ends = line.split(separator: UInt8(ascii: ":"), maxSplits: 1)
            guard ends.count == 2, let name = HTTPField.Name(String(decoding: ends[0], as: UTF8.self)) else { continue }
            // Other characters do not pass the codec.
            guard ends[1].allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else { continue }
            var value = ends[1].drop { $0 == 0x20 }
            while value.last == 0x20 { value.removeLast() }
            head.headerFields.append(HTTPField(name: name, lenientValue: value))
        }
        self.head = head
    }
}
