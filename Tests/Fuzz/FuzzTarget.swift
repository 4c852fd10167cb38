/// A reader of bytes that strangers choose, with what it promises about all of them.
///
/// `make fuzz` feeds each of them what libFuzzer makes up; the fast tests feed them what that has found, and damaged
/// copies of it.
enum FuzzTarget: String, CaseIterable, Sendable {
    /// A multipart body, however it is cut.
    case multipart
    /// The head of a request of a resumable upload.
    case resumable
    /// Ranges and conditions of a request for a file.
    case conditions
    /// A file's name, its declared type and its first bytes.
    case content
    /// What ffprobe says about a video.
    case probe

    /// Reads an input as the services do.
    func check(_ input: [UInt8]) throws(BrokenPromise) {
        switch self {
        case .multipart: try MultipartPromises.check(input)
        case .resumable: try ResumablePromises.check(input)
        case .conditions: try ConditionPromises.check(input)
        case .content: try ContentPromises.check(input)
        case .probe: try ProbePromises.check(input)
        }
    }
}

/// What an input showed not to be true.
struct BrokenPromise: Error, CustomStringConvertible {
    let description: String
}

func require(_ holds: Bool, _ problem: @autoclosure () -> String) throws(BrokenPromise) {
    guard holds else { throw BrokenPromise(description: problem()) }
}

/// Random numbers that come again with their seed (SplitMix64).
struct SeededRandom: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    /// Other numbers for every input, and for each the same in every run (FNV-1a).
    init(input: [UInt8]) {
        state = input.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
    }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

extension [UInt8] {
    /// The first line without its LF or CR LF, and what follows it.
    var firstLine: (line: [UInt8], rest: [UInt8]) {
        let end = firstIndex(of: UInt8(ascii: "\n")) ?? endIndex
        let line = self[..<end]
        return (Array(line.last == UInt8(ascii: "\r") ? line.dropLast() : line), Array(self[end...].dropFirst()))
    }

    /// Whether some ASCII stands anywhere in it; a text would take what follows for part of its last letter.
    func has(_ text: String) -> Bool {
        indices.contains { self[$0...].starts(with: text.utf8) }
    }
}
