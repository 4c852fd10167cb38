public import Database
public import Messaging
import Models
public import Storage
public import Telemetry

extension Readiness {
    /// Checks that the database answers and has every migration this program knows.
    public func watch(_ database: Database) {
        register("database") {
            do {
                let pending = try await Migrations.pending(in: database)
                guard pending.isEmpty else {
                    return .failed(
                        "migrations are missing: \(pending.joined(separator: ", "))",
                        action: "Run tolvactl migrate."
                    )
                }
                return .ok
            } catch {
                return .failed("\(error)", action: "See whether Postgres runs and DATABASE_URL is right.")
            }
        }
    }

    /// Checks the broker for a process that can go on without it: what it would announce waits in the database.
    public func watch(_ publisher: Publisher) {
        register("broker") { publisher.readiness }
    }

    /// Checks the broker for a process that gets its work from it.
    public func watch(consumer name: String, state: @escaping @Sendable () -> BrokerState) {
        register(name) {
            switch state() {
            case .connected: .ok
            case .blocked(let reason): .degraded(reason)
            case .disconnected:
                .failed(
                    "\(state())",
                    action: "See whether RabbitMQ runs and AMQP_URL is right; it reconnects by itself."
                )
            }
        }
    }

    /// Checks that every volume can be written and that one has room.
    public func watch(_ storage: LocalStorage) {
        register("storage") {
            let volumes = storage.status()
            let broken = volumes.filter { !$0.writable }.map(\.volume.name)
            guard broken.isEmpty else {
                return .failed(
                    "cannot write to volume \(broken.joined(separator: ", "))",
                    action: "See whether the disk is mounted and writable for this process's user."
                )
            }
            let low = volumes.filter { $0.free < storage.reserve }.map(\.volume.name)
            guard low.count < volumes.count else {
                return .failed("every volume is low on space", action: "Free space or add a volume to VOLUMES.")
            }
            return low.isEmpty ? .ok : .degraded("low on space: \(low.joined(separator: ", "))")
        }
    }
}
