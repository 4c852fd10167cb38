import ArgumentParser
import Database
import Foundation

struct Migrate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Brings the database's schema up to date.",
        discussion: "Safe to run at every start, and by several at once: what has been applied is not applied again."
    )

    @Option(help: "How many seconds to wait for a Postgres that is still starting.")
    var wait = 60

    func validate() throws {
        guard (0...3600).contains(wait) else { throw ValidationError("--wait takes 0 to 3600 seconds.") }
    }

    func run() async throws {
        let applied = try await applyWhenReachable()
        for name in applied { print("applied \(name)") }
        if applied.isEmpty { print("nothing to apply") }
    }

    private func applyWhenReachable() async throws -> [String] {
        let settings = try DatabaseSettings.forCommand()
        let deadline = ContinuousClock.now + .seconds(wait)
        var hasSaidSo = false
        while true {
            do {
                return try await Migrations.apply(to: settings, logger: .silent)
            } catch let error as DatabaseError where error.kind == .unavailable && ContinuousClock.now < deadline {
                if !hasSaidSo { Terminal.note("waiting for Postgres: \(error.message)") }
                hasSaidSo = true
                try await Task.sleep(for: .seconds(1))
            } catch let error as DatabaseError {
                throw ControlError("\(error)")
            }
        }
    }
}
