import Foundation
import Messaging
import Models

/// RabbitMQ: sign-in, queues, delivery, and how many messages wait.
struct BrokerCheck: Sendable {
    let settings: MessagingSettings

    func findings() async -> [Finding] {
        await Publisher.with(settings) { await findings(through: $0) }
    }

    private func findings(through publisher: Publisher) async -> [Finding] {
        if case .disconnected(let reason, _) = publisher.state {
            let action = "Start RabbitMQ, and check the host, port, user, password and virtual host in AMQP_URL."
            return [.fail("rabbitmq", reason, action: action)]
        }
        let delivery = await delivery(through: publisher)
        guard delivery.status == .ok else { return [delivery] }
        return [delivery, await queues(of: publisher), await deadLetters(of: publisher)]
    }

    /// Publishes for a queue that does not exist: a broker that takes messages gives them back. During an alarm it
    /// takes the first message of a connection, and no more.
    private func delivery(through publisher: Publisher) async -> Finding {
        let probe = Message(exchange: "", routingKey: "tolva.doctor.\(UUID())", body: [], persistent: false)
        for result in await publisher.publish([probe, probe]) {
            do throws(MessagingError) {
                try result.get()
            } catch .unroutable {
                continue
            } catch {
                let action = "See `rabbitmq-diagnostics alarms`: free memory or disk space on the broker."
                return .fail("rabbitmq", "takes no messages: \(error)", action: action)
            }
        }
        return .ok("rabbitmq", "signed in, takes messages")
    }

    /// The publisher declares the queues as it connects.
    private func queues(of publisher: Publisher) async -> Finding {
        var depths: [String] = []
        for kind in Job.Kind.allCases {
            let queue = Topology.queue(for: kind)
            guard let depth = await publisher.depth(of: queue) else {
                let action = "See the broker's log; a queue in a minority of its nodes does not answer."
                return .fail("queues", "\(queue) does not answer", action: action)
            }
            depths.append("\(queue) \(depth)")
        }
        return .ok("queues", "ready messages: \(depths.joined(separator: ", "))")
    }

    private func deadLetters(of publisher: Publisher) async -> Finding {
        guard let depth = await publisher.depth(of: Topology.deadLetters), depth > 0 else {
            return .ok("dead letters", "none")
        }
        let action = """
            See them: tolvactl dead list. Announce the jobs among them again: tolvactl dead replay. Then remove the rest: \
            tolvactl dead purge --yes
            """
        return .warn("dead letters", "\(depth) messages that nothing could handle", action: action)
    }
}
