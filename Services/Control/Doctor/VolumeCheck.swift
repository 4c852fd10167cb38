import Blocking
import Database
import Foundation
import Glibc
import Logging
import Repositories
import Storage

/// The volumes: mounted, writable, able to link, with room above the reserve.
struct VolumeCheck: Sendable {
    private static let cloned = "exports are cloned: no time, no room"
    private static let copied = "exports are copied; a volume on XFS or btrfs would clone them"

    let settings: StorageSettings
    /// Remembers which volumes were used before; nil if it is not set.
    let database: DatabaseSettings?

    func findings() async -> [Finding] {
        let remembered = await remembered()
        let threads = BlockingThreads(name: "doctor", count: 1)
        var findings: [Finding] = []
        var hasRoom = false
        for location in settings.volumes {
            let name = "volume \(location.name)"
            do {
                let isMarked = try await threads.run { try location.isMarked() }
                guard isMarked || remembered?.contains(location.name) == false else {
                    findings.append(unmarked(location, isRemembered: remembered != nil))
                    continue
                }
                let status = try await probe(location, on: threads)
                let found = "\(location.path): \(size(status.free)) of \(size(status.total)) free"
                let copying = status.volume.sharesBlocks ? Self.cloned : Self.copied
                if status.volume.isInMemory {
                    let action = "Put the volume on a disk: what is acknowledged here is lost with the power."
                    findings.append(
                        .warn(name, "\(location.path) is in memory: nothing is on stable storage", action: action)
                    )
                }
                if try await threads.run({ try !linksAcross(location) }) {
                    let found =
                        "\(location.path) is a pool that links only within a directory: every file is written twice"
                    let action =
                        "Give each disk a volume of its own in VOLUMES, or the pool a policy that keeps no paths."
                    findings.append(.warn(name, found, action: action))
                }
                if status.free > settings.reserve {
                    hasRoom = true
                    findings.append(.ok(name, "\(found); \(copying)"))
                } else {
                    let action = "New files go to the next volume. Free some space or add a volume to VOLUMES."
                    let kept = "\(found), \(size(settings.reserve)) are kept; \(copying)"
                    findings.append(.warn(name, kept, action: action))
                }
            } catch {
                let action = "The directory must exist, be mounted, and belong to the user the services run as."
                findings.append(.fail(name, "\(error)", action: action))
            }
        }
        if !hasRoom {
            let action = "Free some space, add a volume to VOLUMES, or lower VOLUME_RESERVE_BYTES."
            findings.append(.fail("volumes", "no volume has room: uploads are refused with 507", action: action))
        }
        return findings
    }

    /// Nil if the database cannot say.
    private func remembered() async -> Set<String>? {
        guard let database else { return nil }
        let pool = Database(settings: database, logger: .silent)
        let names = try? await VolumeRepository(pool).names()
        await pool.close()
        return names
    }

    /// Nothing is written to a directory that may be what is left of a volume without its disk.
    private func unmarked(_ location: StorageSettings.Location, isRemembered: Bool) -> Finding {
        let name = "volume \(location.name)"
        guard isRemembered else {
            let found = "\(location.path) has no \(StorageSettings.Location.marker), and the database does not answer"
            return .warn(name, found, action: "Let Postgres answer first: it knows whether the volume is new.")
        }
        let error = UnmountedVolume(location)
        return .fail(name, error.found, action: error.action)
    }

    /// Takes a file the way an upload does: spool, write, sync; and gives it a second name, as placing does.
    private func probe(
        _ location: StorageSettings.Location,
        on threads: BlockingThreads
    ) async throws -> LocalStorage.VolumeStatus {
        let settings = StorageSettings(volumes: [location], reserve: 0, threads: 1)
        let storage = try await threads.run { () throws(StorageError) in
            try LocalStorage(settings: settings, logger: .silent)
        }
        guard let status = storage.status().first, status.writable else {
            throw ControlError("\(location.path) is read-only")
        }
        let file = try await storage.makeUpload(expecting: 4096)
        try await file.append(pieces: [[UInt8](repeating: 0, count: 4096)])
        _ = try await file.finish()
        let spool = "\(location.path)/spool"
        let failed = try await threads.run { try link(from: spool, to: spool) }
        guard failed == 0 else {
            throw ControlError("\(spool): the file system has no hard links: \(String(cString: strerror(failed)))")
        }
        return status
    }

    /// Whether a file of the spool can be linked to where originals stay.
    private func linksAcross(_ location: StorageSettings.Location) throws -> Bool {
        try link(from: "\(location.path)/spool", to: "\(location.path)/originals") != EXDEV
    }

    /// Gives a new file of a directory a second name in the same or another one. Gives an errno, 0 if that worked.
    private func link(from directory: String, to other: String) throws -> Int32 {
        let name = "doctor-\(UUID())"
        let (first, second) = ("\(directory)/\(name)", "\(other)/\(name)-link")
        try Data().write(to: URL(filePath: first))
        defer { for path in [first, second] { unlink(path) } }
        return Glibc.link(first, second) == 0 ? 0 : errno
    }

    private func size(_ bytes: Int64) -> String {
        bytes < 1 << 30 ? "\(bytes >> 20) MiB" : "\((Double(bytes) / Double(1 << 30) * 10).rounded() / 10) GiB"
    }
}
