import Foundation
import Testing

@Suite("Untrusted bytes")
struct CorpusTests {
    /// Damaged inputs a target: a second or two of `make fuzz`, and a few of a debug build.
    private static let damagedInputs = 500

    /// What fuzzing has kept of each target, by its file's name.
    private static func corpus(_ target: FuzzTarget) throws -> [(name: String, bytes: [UInt8])] {
        let directory = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Corpus/\(target)")
        let files = try FileManager.default.contentsOfDirectory(at: directory, includingPropertiesForKeys: nil)
        return try files.sorted { $0.path < $1.path }.map { ($0.lastPathComponent, Array(try Data(contentsOf: $0))) }
    }

    private static func problem(_ target: FuzzTarget, _ input: [UInt8]) -> String? {
        do throws(BrokenPromise) {
            try target.check(input)
            return nil
        } catch {
            return error.description
        }
    }

    @Test("What fuzzing has kept is read as promised", arguments: FuzzTarget.allCases)
    func kept(target: FuzzTarget) throws {
        let inputs = try Self.corpus(target)
        #expect(inputs.count > 10)
        for (name, bytes) in inputs {
            let problem = Self.problem(target, bytes)
            #expect(problem == nil, "Corpus/\(target)/\(name)")
        }
    }

    @Test("Damaged inputs are read as promised", arguments: FuzzTarget.allCases)
    func damaged(target: FuzzTarget) throws {
        let inputs = try Self.corpus(target).map(\.bytes)
        var random = SeededRandom(seed: 2026)
        for _ in 0..<Self.damagedInputs {
            let input = Self.damaged(inputs, using: &random)
            let problem = Self.problem(target, input)
            #expect(problem == nil, "\(Data(input).base64EncodedString())")
        }
    }

    /// An input with a few places changed, taken out or doubled, or mixed with another one.
    private static func damaged(_ inputs: [[UInt8]], using random: inout SeededRandom) -> [UInt8] {
        var bytes = inputs.randomElement(using: &random) ?? []
        for _ in 0..<Int.random(in: 1...4, using: &random) {
            let index = Int.random(in: 0...bytes.count, using: &random)
            switch Int.random(in: 0..<6, using: &random) {
            case 0: bytes.insert(.random(in: 0...255, using: &random), at: index)
            case 1: bytes.insert(Array(" \"'%=?;,:*-()\\\r\n9".utf8).randomElement(using: &random) ?? 0, at: index)
            case 2: bytes.removeSubrange(index..<min(bytes.count, index + Int.random(in: 0...9, using: &random)))
            case 3: bytes.insert(contentsOf: bytes[index...].prefix(40), at: index)
            case 4 where index < bytes.count: bytes[index] = .random(in: 0...255, using: &random)
            default: bytes = Array(bytes[..<index] + (inputs.randomElement(using: &random) ?? []).dropFirst(index))
            }
        }
        return bytes
    }
}
