import CLibPQ
public import Config
public import Foundation

/// Where the database is and how much of it one process may use.
public struct DatabaseSettings: Sendable, CustomStringConvertible {
    /// A libpq connection URL; it may hold the password, so it is never logged.
    public var url: String
    /// Connections kept open once they were needed.
    public var poolSize: Int
    /// Connections more under load, closed when they are idle again.
    public var poolBurst: Int
    public var poolWait: Duration
    /// How long one statement, and one transaction sent in one round trip, may take.
    public var statementTimeout: Duration
    /// What `pg_stat_activity` shows, unless the URL has an `application_name`.
    public var applicationName: String

    public init(
        url: String,
        poolSize: Int = 20,
        poolBurst: Int = 10,
        poolWait: Duration = .seconds(30),
        statementTimeout: Duration = .seconds(30),
        applicationName: String = ProcessInfo.processInfo.processName
    ) {
        self.url = url
        self.poolSize = poolSize
        self.poolBurst = poolBurst
        self.poolWait = poolWait
        self.statementTimeout = statementTimeout
        self.applicationName = applicationName
    }

    public init(reader: SettingsReader) throws(SettingsError) {
        let example = "postgres://tolva:secret@localhost:5432/tolva"
        let url = try reader.required("DATABASE_URL", example: example, isSecret: true)
        if let problem = Self.problem(of: url) {
            throw SettingsError(variable: "DATABASE_URL", problem: problem, example: example)
        }
        self.init(
            url: url,
            poolSize: try reader.integer("DATABASE_POOL_SIZE", default: 20, in: 1...1000),
            poolBurst: try reader.integer("DATABASE_POOL_BURST", default: 10, in: 0...1000),
            poolWait: try reader.duration("DATABASE_POOL_WAIT", default: .seconds(30)),
            statementTimeout: try reader.duration("DATABASE_STATEMENT_TIMEOUT", default: .seconds(30))
        )
        guard statementTimeout >= .milliseconds(1), statementTimeout <= .seconds(86_400) else {
            let problem = "is not between a millisecond and a day"
            throw SettingsError(variable: "DATABASE_STATEMENT_TIMEOUT", problem: problem, example: "30s")
        }
    }

    /// Leaves the URL out, for its password.
    public var description: String { "a pool of \(poolSize)+\(poolBurst) connections as \(applicationName)" }

    /// What keeps libpq from connecting with a URL. libpq's own words could quote a piece of the password.
    static func problem(of url: String) -> String? {
        guard let options = connectionOptions(of: url) else { return "is not a Postgres URL" }
        // A "/" or "@" that stands unescaped in the password moves the rest of it into the host or the port.
        let ports = (options["port"] ?? "").split(separator: ",")
        let isMisread = (options["host"] ?? "").contains("@") || !ports.allSatisfy { UInt16($0) != nil }
        return isMisread ? "has a host or port that cannot be: is a character of the password not escaped?" : nil
    }

    /// What a URL says, by libpq's keywords; nil if libpq cannot read it.
    static func connectionOptions(of url: String) -> [String: String]? {
        guard let options = PQconninfoParse(url, nil) else { return nil }
        defer { PQconninfoFree(options) }
        var values: [String: String] = [:]
        var option = options
        while let keyword = option.pointee.keyword {
            if let value = option.pointee.val { values[String(cString: keyword)] = String(cString: value) }
            option += 1
        }
        return values
    }
}
