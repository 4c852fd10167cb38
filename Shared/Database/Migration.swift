/// One step of the schema.
struct Migration: Sendable {
    let version: Int
    /// The file's name without `.sql`.
    let name: String
    let sql: String

    init(_ version: Int, _ name: String, _ file: [UInt8]) {
        self.version = version
        self.name = name
        sql = String(decoding: file, as: UTF8.self)
    }
}

extension Migrations {
    /// Every file of the directory, in order. The build names each one's bytes after it, with `_` for what a name
    /// cannot hold and for its first digit.
    static let all = [
        Migration(1, "0001-foundation", PackageResources._001_foundation_sql),
        Migration(2, "0002-exports", PackageResources._002_exports_sql),
        Migration(3, "0003-uploads", PackageResources._003_uploads_sql),
        Migration(4, "0004-consistency", PackageResources._004_consistency_sql),
        Migration(5, "0005-job-history", PackageResources._005_job_history_sql),
        Migration(6, "0006-promised-digests", PackageResources._006_promised_digests_sql),
        Migration(7, "0007-volumes", PackageResources._007_volumes_sql),
    ]
}

/// A database this program must not touch.
public enum MigrationError: Error, CustomStringConvertible {
    /// The file of an applied migration is not what was applied.
    case changed(String)
    /// The database has a migration this program does not know.
    case newer(String)

    /// What to do about it.
    public var description: String {
        switch self {
        case .changed(let name):
            "migration \(name) was changed after it was applied: restore its file and write a new migration"
        case .newer(let name):
            "the database has migration \(name), which this program does not know: start a newer version"
        }
    }
}
