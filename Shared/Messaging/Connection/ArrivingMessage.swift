/// A message whose frames are coming in, of which no more than a limit is kept.
struct ArrivingMessage {
    let tag: UInt64
    let redelivered: Bool
    let routingKey: String
    private let maximumBytes: Int
    private(set) var header: ContentHeader?
    /// Its first bytes.
    private(set) var body: [UInt8] = []
    private(set) var bodyBytes: UInt64 = 0

    init(tag: UInt64, redelivered: Bool, routingKey: String, keeping maximumBytes: Int) {
        self.tag = tag
        self.redelivered = redelivered
        self.routingKey = routingKey
        self.maximumBytes = maximumBytes
    }

    var isComplete: Bool { header.map { bodyBytes >= $0.bodyBytes } ?? false }
    /// All of its body was kept.
    var isWhole: Bool { bodyBytes <= UInt64(maximumBytes) }

    mutating func begin(_ header: ContentHeader) {
        self.header = header
    }

    mutating func append(_ bytes: [UInt8]) {
        bodyBytes += UInt64(bytes.count)
        body += bytes.prefix(maximumBytes - body.count)
    }
}
