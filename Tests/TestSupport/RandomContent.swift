public import Foundation
public import Testing

/// How often what is repeated is repeated: a few times; as often as the fault matrix asks with `FULL_COUNTS=1`; a fifth of
/// that, but no fewer than a few, with `FULL_COUNTS=0.2`.
public enum Counts {
    public static let areFull = share != nil

    private static let share = ProcessInfo.processInfo.environment["FULL_COUNTS"].flatMap(Double.init)
        .map { min(max($0, 0), 1) }

    public static func of(_ few: Int, full: Int) -> Int {
        guard let share else { return few }
        return max(min(few, full), Int((Double(full) * share).rounded(.up)))
    }
}

/// Random numbers that come again with their seed, which `TEST_SEED` gives (SplitMix64).
public struct SeededGenerator: RandomNumberGenerator {
    public let seed: UInt64
    private var state: UInt64

    public init() {
        let given = ProcessInfo.processInfo.environment["TEST_SEED"].flatMap { UInt64($0) }
        seed = given ?? UInt64.random(in: 0...UInt64(UInt32.max))
        state = seed
    }

    /// What a failure says, so that it can be had again.
    public var comment: Comment { "TEST_SEED=\(seed)" }

    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    public mutating func document(upTo most: Int) -> Data {
        document(bytes: Int.random(in: 20...most, using: &self))
    }

    public mutating func document(bytes: Int) -> Data {
        let words = (0...bytes / 8).map { _ in next() }
        return pdf(words.withUnsafeBytes { Data($0) }, bytes: bytes)
    }
}

extension Duration {
    /// Some moment before this much time has gone.
    public var anyMoment: Duration { .nanoseconds(Int64.random(in: 0...Int64(self / .nanoseconds(1)))) }
}

/// A document of that many bytes, different each time.
public func document(_ bytes: Int) throws -> Data { pdf(try noise(bytes), bytes: bytes) }

/// Random bytes, quickly.
func noise(_ bytes: Int) throws -> Data {
    let random = try FileHandle(forReadingFrom: URL(filePath: "/dev/urandom"))
    defer { try? random.close() }
    let noise = try random.read(upToCount: bytes) ?? Data()
    try #require(noise.count == bytes)
    return noise
}

private func pdf(_ content: Data, bytes: Int) -> Data { (Data("%PDF-1.4\n".utf8) + content).prefix(bytes) }

/// A multipart/form-data body, written out.
public enum Multipart {
    /// The header that goes with it.
    public static let type = "multipart/form-data; boundary=a-boundary"

    public static func body(_ files: [URL]) throws -> Data {
        try body(files.map { ($0.lastPathComponent, try Data(contentsOf: $0)) })
    }

    public static func body(_ files: [(name: String, bytes: Data)]) -> Data {
        var body = Data()
        for file in files {
            body += Data(
                """
                --a-boundary\r
                Content-Disposition: form-data; name="file"; filename="\(file.name)"\r
                Content-Type: application/octet-stream\r
                \r\n
                """.utf8
            )
            body += file.bytes + Data("\r\n".utf8)
        }
        return body + Data("--a-boundary--\r\n".utf8)
    }
}
