public import Database
import Foundation
import Models
public import Storage

/// Checks the invariants of the rows and of the files they name. It changes nothing.
public struct Checker: Sendable {
    /// One thing that is not as it must be.
    public struct Violation: Sendable, Encodable {
        public let rule: String
        /// The row or the file.
        public let subject: String
        public let detail: String
    }

    public struct Depth: Sendable {
        /// How old a file without a row may be: the row may be on its way.
        public var grace: Duration
        /// Whether originals are read and summed up.
        public var readsOriginals: Bool
        /// How many rows of one rule are reported.
        public var maximum: Int

        public init(grace: Duration, readsOriginals: Bool = false, maximum: Int = 100) {
            self.grace = grace
            self.readsOriginals = readsOriginals
            self.maximum = maximum
        }
    }

    public struct Totals: Sendable, Encodable {
        /// Rules of the rows.
        public internal(set) var rules = 0
        /// Files that rows speak of.
        public internal(set) var expected = 0
        /// Files that lie on the volumes.
        public internal(set) var files = 0
        public internal(set) var violations = 0
    }

    private let repository: IntegrityRepository
    private let storage: LocalStorage

    public init(database: Database, storage: LocalStorage) {
        repository = IntegrityRepository(database)
        self.storage = storage
    }

    /// Throws only if something could not be looked at; violations go to `report`.
    public func check(_ depth: Depth, report: (Violation) -> Void) async throws -> Totals {
        var totals = Totals()
        func violated(_ violation: Violation) {
            totals.violations += 1
            report(violation)
        }
        for rule in IntegrityRule.all {
            totals.rules += 1
            for breach in try await repository.breaches(of: rule, limit: depth.maximum) {
                violated(Violation(rule: rule.text, subject: breach.subject, detail: breach.detail))
            }
        }
        try await repository.eachExpected { page in
            totals.expected += page.count
            for violation in try await missing(of: page) { violated(violation) }
            for file in page where file.isStale { violated(.stale(file)) }
            guard depth.readsOriginals else { return }
            for file in page { if let violation = try await damage(of: file) { violated(violation) } }
        }
        let latest = Date(timeIntervalSinceNow: -(depth.grace / .seconds(1)))
        for volume in storage.volumes {
            try await storage.eachFile(on: volume) { files in
                totals.files += files.count
                for file in files where file.place == .stranger { violated(.stranger(file)) }
                let old = files.filter { $0.modified <= latest }
                for file in try await repository.unused(of: old, on: volume) { violated(.unused(file)) }
            }
        }
        return totals
    }

    /// Files that are missing or of another size than their rows say. A row deleted meanwhile takes its file with it.
    private func missing(of page: [IntegrityRepository.Expected]) async throws -> [Violation] {
        let sizes = try await storage.bytes(of: page.map { ($0.volume, $0.path) })
        var violations: [Violation] = []
        for (file, bytes) in zip(page, sizes) where !file.admits(bytes) {
            guard try await repository.isStillExpected(file) else { continue }
            violations.append(.missing(file, bytes: bytes))
        }
        return violations
    }

    private func damage(of file: IntegrityRepository.Expected) async throws -> Violation? {
        guard let expected = file.sha256 else { return nil }
        do {
            let actual = try await storage.sha256(of: file.path, on: file.volume)
            return actual == expected
                ? nil : .damaged(file, "the SHA-256 of its bytes is \(actual?.description ?? "none")")
        } catch {
            switch error.kind {
            case .missing, .unknownVolume: return nil
            default: return .damaged(file, "\(error)")
            }
        }
    }
}

extension IntegrityRepository.Expected {
    /// Whether a file of so many bytes is what the row speaks of. An upload under way may have more on its disk.
    fileprivate func admits(_ found: Int64?) -> Bool {
        guard let found else { return false }
        return kind == .partial ? found >= bytes : found == bytes
    }
}

extension Checker.Violation {
    fileprivate static func missing(_ file: IntegrityRepository.Expected, bytes: Int64?) -> Self {
        Self(
            rule: "A file that a row speaks of is there, with as many bytes.",
            subject: file.subject.uuidString.lowercased(),
            detail: bytes.map { "\(file.volume):\(file.path) has \($0) of \(file.bytes) bytes" }
                ?? "\(file.volume):\(file.path) is not there; it had \(file.bytes) bytes"
        )
    }

    /// The paths of what an attempt makes hold its fence.
    fileprivate static func stale(_ file: IntegrityRepository.Expected) -> Self {
        Self(
            rule: "What a job has made is of its last attempt.",
            subject: file.subject.uuidString.lowercased(),
            detail: "\(file.volume):\(file.path) of a job whose last fence is \(file.fence ?? 0)"
        )
    }

    fileprivate static func damaged(_ file: IntegrityRepository.Expected, _ detail: String) -> Self {
        Self(
            rule: "An original's bytes are those that were received.",
            subject: file.subject.uuidString.lowercased(),
            detail: "\(file.volume):\(file.path): \(detail)"
        )
    }

    fileprivate static func unused(_ file: FoundFile) -> Self {
        Self(
            rule: "A row speaks of every file.",
            subject: "\(file.volume):\(file.path)",
            detail: "a file of \(file.bytes) bytes without a row, last written at \(file.modified.formatted(.iso8601))"
        )
    }

    fileprivate static func stranger(_ file: FoundFile) -> Self {
        Self(
            rule: "On a volume lies what the suite has put there.",
            subject: "\(file.volume):\(file.path)",
            detail: "a file that is not the suite's; the collector leaves it alone"
        )
    }
}
