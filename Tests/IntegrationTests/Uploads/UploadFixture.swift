import Database
import Foundation
import Models
import TestSupport
import Testing

/// How often the tests of hostile conditions do what they do: a little in every run, the whole number with
/// `FULL_COUNTS=1`.
enum Counts {
    static let areFull = ProcessInfo.processInfo.environment["FULL_COUNTS"] == "1"

    static func of(_ few: Int, full: Int) -> Int { areFull ? full : few }
}

/// Random numbers that come again with their seed, which `TEST_SEED` gives (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
    let seed: UInt64
    private var state: UInt64

    init() {
        let given = ProcessInfo.processInfo.environment["TEST_SEED"].flatMap { UInt64($0) }
        seed = given ?? UInt64.random(in: 0...UInt64(UInt32.max))
        state = seed
    }

    /// What a failure says, so that it can be had again.
    var comment: Comment { "TEST_SEED=\(seed)" }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    /// A document of up to so many bytes.
    mutating func document(upTo most: Int) -> Data {
        document(Int.random(in: 20...most, using: &self))
    }

    /// A document of so many bytes.
    mutating func document(_ bytes: Int) -> Data {
        let words = (0...bytes / 8).map { _ in next() }
        return (Data("%PDF-1.4\n".utf8) + words.withUnsafeBytes { Data($0) }).prefix(bytes)
    }
}

extension RunningProgram {
    /// What its descriptors are open on.
    var descriptors: [String] {
        let directory = "/proc/\(processID)/fd"
        let names = (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
        return names.compactMap { try? FileManager.default.destinationOfSymbolicLink(atPath: "\(directory)/\($0)") }
    }

    /// Files of uploads it has open; most of them have no name.
    var spooled: [String] { descriptors.filter { $0.contains("/spool/") } }

    /// Resident memory now, in bytes.
    var memory: Int64 {
        get throws {
            let pages = try String(contentsOfFile: "/proc/\(processID)/statm", encoding: .utf8).split(separator: " ")
            return (pages.dropFirst().first.flatMap { Int64($0) } ?? 0) * Int64(sysconf(Int32(_SC_PAGESIZE)))
        }
    }
}

extension TestSupport.Suite {
    /// Waits until no upload is open, and expects that nothing of any is left.
    func expectNothingLeft(sourceLocation: SourceLocation = #_sourceLocation) async throws {
        try await eventually("no file of an upload is open") { api.spooled.isEmpty }
        try await expectNothingStored(sourceLocation: sourceLocation)
    }

    /// Every asset's digest, the same one as often as it is there.
    var digests: [String] {
        get async throws {
            try await database.run(Query<Value<String>>("SELECT sha256 AS value FROM assets ORDER BY sha256")())
                .map(\.value)
        }
    }

    /// Writes bytes to a file of the test's.
    func file(_ name: String, _ bytes: Data) throws -> URL {
        let file = directory.appending(path: name)
        try bytes.write(to: file)
        return file
    }
}
