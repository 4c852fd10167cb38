import Database
import Foundation
import Logging

/// Postgres: reachable, recent enough, with today's schema, and of the same time as this machine.
struct PostgresCheck: Sendable {
    /// `UNIQUE NULLS NOT DISTINCT` came with 15.
    static let minimumVersion = 15
    static let toleratedDifference: TimeInterval = 2

    let settings: DatabaseSettings

    func findings() async -> [Finding] {
        let database = Database(settings: settings, logger: .silent)
        let findings = await findings(in: database)
        await database.close()
        return findings
    }

    private func findings(in database: Database) async -> [Finding] {
        let before = Date()
        let server: Server?
        do {
            server = try await database.first(Server.facts())
        } catch {
            let action = "Start Postgres, and check the host, port, database, user and password in DATABASE_URL."
            return [.fail("postgres", "\(error)", action: action)]
        }
        guard let server else { return [] }
        let halfway = before.addingTimeInterval(Date().timeIntervalSince(before) / 2)
        return [
            version(of: server), Self.pooler(database.pooler), await migrations(),
            Self.clock(difference: server.time.timeIntervalSince(halfway)),
        ].compactMap(\.self)
    }

    private func version(of server: Server) -> Finding {
        guard server.number / 10_000 >= Self.minimumVersion else {
            let action = "Move to Postgres \(Self.minimumVersion) or newer."
            return .fail("postgres", "version \(server.version) is too old", action: action)
        }
        return .ok("postgres", "version \(server.version)")
    }

    static func pooler(_ pooler: Pooler?) -> Finding? {
        guard let pooler else { return nil }
        guard !pooler.lostSettings.isEmpty else {
            return .ok("pooler", "one stands before Postgres; statements are not prepared")
        }
        let lost = pooler.lostSettings.joined(separator: ", ")
        return .warn(
            "pooler",
            "one stands before Postgres and does not pass on \(lost)",
            action: pooler.lostSettings.map { "ALTER ROLE … SET \($0) TO …" }.joined(separator: "; ")
        )
    }

    private func migrations() async -> Finding {
        do {
            let pending = try await Migrations.pending(in: settings, logger: .silent)
            guard pending.isEmpty else {
                let found = "not applied: \(pending.joined(separator: ", "))"
                return .fail("migrations", found, action: "Run: tolvactl migrate")
            }
            return .ok("migrations", "all applied")
        } catch {
            let action = "Use the version of Tolva that made this database, or a newer one."
            return .fail("migrations", "\(error)", action: action)
        }
    }

    static func clock(difference: TimeInterval) -> Finding {
        let seconds = (difference * 1000).rounded() / 1000
        guard abs(difference) > toleratedDifference else {
            return .ok("clock", "Postgres and this machine differ by \(seconds) s")
        }
        return .warn(
            "clock",
            "Postgres is \(abs(seconds)) s \(difference > 0 ? "ahead of" : "behind") this machine",
            action: "Synchronise both clocks, for example with systemd-timesyncd: times in logs and pages differ."
        )
    }
}

private struct Server: RowDecodable {
    static let facts = Query<Server>(
        """
        SELECT current_setting('server_version') AS version,
               current_setting('server_version_num')::int AS number,
               clock_timestamp() AS time
        """
    )

    let version: String
    let number: Int
    let time: Date

    init(from row: borrowing Row) throws(DatabaseError) {
        version = try row["version"]
        number = try row["number"]
        time = try row["time"]
    }
}
