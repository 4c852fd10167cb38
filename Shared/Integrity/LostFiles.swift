public import Database
import Foundation
import Models
public import Storage

/// Finds the rows whose files are gone, and ends them when the operator says so.
///
/// Nobody does so unasked: a disk that is not mounted looks the same. What lies on a volume that is not configured is not
/// lost.
public struct LostFiles: Sendable {
    /// A row's file that is not there.
    public struct Lost: Sendable {
        /// The asset, export or upload.
        public let subject: String
        /// The volume's name and the path below it.
        public let path: String
        public let consequence: String
    }

    public struct Found: Sendable {
        /// Files that rows speak of.
        public internal(set) var expected = 0
        public internal(set) var lost = 0
        /// Those whose rows were ended, or would be.
        public internal(set) var ended = 0
    }

    /// More files are gone than a fault takes.
    public struct TooMany: Error, CustomStringConvertible {
        let found: Found

        public var description: String {
            "\(found.lost) of \(found.expected) files are gone, which is more than half: is every volume mounted?"
        }
    }

    private let repository: IntegrityRepository
    private let storage: LocalStorage

    /// Compares a database with the volumes of a storage. It needs two connections.
    public init(database: Database, storage: LocalStorage) {
        repository = IntegrityRepository(database)
        self.storage = storage
    }

    /// Says which rows have no file, and changes nothing.
    public func preview(report: (Lost) -> Void = { _ in }) async throws -> Found {
        try await eachLost { _ in
            true
        } report: {
            report($0)
        }
    }

    /// Ends the rows that have no file. If `isCareful`, nothing is done if more than half of all files are gone
    /// (`TooMany`). After any other error some may have been ended.
    public func end(isCareful: Bool, report: (Lost) -> Void = { _ in }) async throws -> Found {
        let found = try await preview()
        if isCareful, found.lost > found.expected / 2 { throw TooMany(found: found) }
        return try await eachLost { file in
            try await repository.end(file) { try await isGone([file])[0] }
        } report: {
            report($0)
        }
    }

    private func eachLost(
        ends: (IntegrityRepository.Expected) async throws -> Bool,
        report: (Lost) -> Void
    ) async throws -> Found {
        var found = Found()
        let volumes = Set(storage.volumes.map(\.name))
        try await repository.eachExpected { page in
            let page = page.filter { volumes.contains($0.volume) }
            found.expected += page.count
            for (file, isGone) in zip(page, try await isGone(page)) where isGone {
                guard try await repository.isStillExpected(file) else { continue }
                found.lost += 1
                guard try await ends(file) else { continue }
                found.ended += 1
                report(Lost(file))
            }
        }
        return found
    }

    private func isGone(_ files: [IntegrityRepository.Expected]) async throws -> [Bool] {
        try await storage.bytes(of: files.map { ($0.volume, $0.path) }).map { $0 == nil }
    }
}

extension LostFiles.Lost {
    fileprivate init(_ file: IntegrityRepository.Expected) {
        subject = file.subject.uuidString.lowercased()
        path = "\(file.volume):\(file.path)"
        consequence =
            switch file.kind {
            case .original: "the asset is deleted"
            case .rendition: "its asset's renditions are made again"
            case .archive: "the export expires"
            case .partial: "the upload is forgotten"
            case .work: "nothing"
            }
    }
}
