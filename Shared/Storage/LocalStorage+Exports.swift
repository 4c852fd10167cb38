import Blocking
import Glibc
public import Models

extension LocalStorage {
    /// Opens a file for a ZIP part, without a name, on the volume where its archive will stay.
    ///
    /// The volume with most of the part's files comes first if it shares blocks, since cloning them takes neither time
    /// nor room; else the first with room for a copy of all of them.
    ///
    /// - Parameters:
    ///   - sources: Bytes of the files that go in, by the volume they lie on.
    ///   - overhead: Bytes beside those files.
    /// - Returns: An empty file.
    /// - Throws: `full` if no volume has the room; `io`.
    public func draft(
        of sources: [String: Int64],
        overhead: Int64
    ) async throws(StorageError) -> DraftFile {
        try await threads.run { () throws(StorageError) -> DraftFile in
            let total = sources.values.reduce(overhead, +)
            let cloning = volumes.filter { $0.sharesBlocks && (sources[$0.name] ?? 0) > 0 }
                .sorted { (sources[$0.name] ?? 0) > (sources[$1.name] ?? 0) }
                .map { (volume: $0, needed: total - (sources[$0.name] ?? 0)) }
            for (volume, needed) in cloning + volumes.map({ ($0, total) }) {
                guard try candidates(for: needed).contains(where: { $0.name == volume.name }) else { continue }
                do throws(StorageError) {
                    return try DraftFile(on: volume, threads: threads)
                } catch  where error.kind == .full {
                    continue
                }
            }
            throw noRoom
        }
    }

    /// Gives a finished part its place: `exports/<xx>/<export>/<number>-<fence>.zip`. Durable when it returns.
    ///
    /// The fence in the name keeps a worker that has lost its lease from overwriting the work of the next. What earlier
    /// attempts have left of this part is removed.
    ///
    /// - Parameters:
    ///   - draft: The archive. It cannot be written to afterwards.
    ///   - export: Whose part it is.
    ///   - number: Of the part.
    ///   - fence: Of the attempt that made it.
    /// - Returns: The path below the volume, for the row.
    /// - Throws: `full`, `io`.
    public func placePart(
        _ draft: DraftFile,
        of export: ExportID,
        number: Int,
        fence: Int64
    ) async throws(StorageError) -> String {
        let names = Self.exports(of: export)
        let name = "\(number)-\(fence).zip"
        try await draft.sync()
        try await threads.run { () throws(StorageError) in
            let directory = try draft.volume.durableDirectory(names)
            guard try draft.link(as: name, in: directory) else {
                throw StorageError(errno: EEXIST, "link", "\(directory.path)/\(name)")
            }
            try directory.sync()
        }
        for volume in volumes { try await removeParts(of: export, number: number, on: volume) { $0 < fence } }
        return (names + [name]).joined(separator: "/")
    }

    /// Removes what one attempt has placed; for a worker that has lost its lease.
    public func removePart(of export: ExportID, number: Int, fence: Int64) async throws(StorageError) {
        for volume in volumes { try await removeParts(of: export, number: number, on: volume) { $0 == fence } }
    }

    /// Removes every archive of an export. What is being downloaded stays readable until that ends.
    public func removeExport(_ export: ExportID) async throws(StorageError) {
        try await threads.run { () throws(StorageError) in
            for volume in volumes {
                do throws(StorageError) {
                    try volume.directory(Self.exports(of: export).dropLast()).remove(export.description)
                } catch  where error.kind == .missing {
                    continue
                }
            }
        }
    }

    private func removeParts(
        of export: ExportID,
        number: Int,
        on volume: Volume,
        where isUnwanted: @escaping @Sendable (Int64) -> Bool
    ) async throws(StorageError) {
        try await threads.run { () throws(StorageError) in
            do throws(StorageError) {
                let directory = try volume.directory(Self.exports(of: export))
                for name in try directory.names() {
                    guard let part = PartName(name), part.number == number, isUnwanted(part.fence) else { continue }
                    try directory.remove(name)
                }
                try volume.directory(Self.exports(of: export).dropLast()).removeIfEmpty(export.description)
            } catch  where error.kind == .missing {
                return
            }
        }
    }

    static func exports(of export: ExportID) -> [String] {
        // The end of a UUIDv7 is random; its beginning is the time.
        ["exports", String(export.description.suffix(2)), export.description]
    }
}

/// `<number>-<fence>.zip`
struct PartName {
    let number: Int
    let fence: Int64

    init?(_ name: String) {
        guard name.hasSuffix(".zip") else { return nil }
        let ends = name.dropLast(4).split(separator: "-", omittingEmptySubsequences: false)
        guard ends.count == 2, let number = Int(ends[0]), let fence = Int64(ends[1]) else { return nil }
        self.number = number
        self.fence = fence
    }
}
