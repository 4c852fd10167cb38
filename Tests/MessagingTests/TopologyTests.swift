import Foundation
import Models
import Testing

@testable import Messaging

@Suite("Topology")
struct TopologyTests {
    @Test("Each kind of work has a queue of its own, with a version in its name")
    func names() {
        #expect(Job.Kind.allCases.map(Topology.queue(for:)) == ["media.image.v1", "media.video.v1", "zip.part.v1"])
        #expect(Topology.deadLetters == "tolva.dead.v2")
        #expect(Topology.events == "tolva.events")
    }

    @Test("No broker counts the looks at a dead letter up to a limit of its own")
    func deadLettersStay() throws {
        let queue = try #require(Topology.tolva.queues.first { $0.name == Topology.deadLetters })
        guard case .number(let limit) = queue.arguments["x-delivery-limit"] else {
            Issue.record("the queue leaves its delivery limit to the broker")
            return
        }
        #expect(limit > 1_000_000)
    }

    @Test("A job's message goes to its queue and is the job's id")
    func jobMessage() {
        let id = JobID.new()
        let message = Message.job(id, of: .part)
        #expect(message.routingKey == "zip.part.v1" && message.exchange.isEmpty)
        #expect(String(decoding: message.body, as: UTF8.self) == id.description)
        #expect(message.mandatory && message.persistent)
    }

    @Test("An event tells its listeners which export of which company has changed, and is kept by no disk")
    func event() throws {
        let (export, company) = (ExportID.new(), CompanyID.new())
        let message = Message.event(.exportUpdated(export, of: company))
        #expect(message.exchange == "tolva.events" && message.routingKey == "export.updated")
        #expect(!message.mandatory && !message.persistent)
        let body = try JSONDecoder().decode([String: String].self, from: Data(message.body))
        #expect(body == ["company_id": "\(company)", "id": "\(export)"])
    }

    @Test("A message AMQP could not carry is known before it is sent")
    func problems() {
        let long = String(repeating: "é", count: 128)
        #expect(Message(exchange: "", routingKey: long, body: []).problem != nil)
        let large = [UInt8](repeating: 0, count: Message.maximumBodyBytes + 1)
        #expect(Message(exchange: "", routingKey: "q", body: large).problem != nil)
        #expect(Message(exchange: "", routingKey: "q", body: Array(large.dropLast())).problem == nil)
    }
}
