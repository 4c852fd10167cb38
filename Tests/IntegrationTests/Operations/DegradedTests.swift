import Foundation
import Models
import TestSupport
import Testing

extension Integration {
    /// Degraded, not down: what goes on while a server is away, what the rest says, and that all of it recovers alone.
    @Suite struct Degraded {
        @Test(
            "With the broker in alarm uploads go on, the API says so and counts what waits; then all of it is processed",
            .controlsBroker
        )
        func brokerAlarm() async throws {
            try await TestStack.with(.mediaWorker) { stack in
                var assets: [String] = []
                try await TestServer.broker.alarmed {
                    // The first message of a connection is what meets the alarm.
                    try await eventually("the API knows of the alarm") {
                        assets.append(try await stack.uploadOne(try await stack.quickPhoto("a.jpg", bytes: 20_000)))
                        return try await stack.client.healthCheck("broker")["status"] == "degraded"
                    }
                    let health = try await stack.client.send("GET", "/health/ready")
                    #expect(health.status == 200)
                    #expect(health.json["status"] == "degraded")
                    let detail = try await stack.client.healthCheck("broker")["detail"].string ?? ""
                    #expect(detail.contains("uploads are accepted and wait"), "\(detail)")
                    try await eventually("they are counted") {
                        try await stack.client.metric("tolva_jobs_unannounced") ?? 0 > 0
                    }
                }
                for asset in assets {
                    let settled = try await stack.client.settled(asset)
                    #expect(settled["status"] == "ready", "\(settled)")
                }
                try await eventually("the API is ready again") {
                    try await stack.client.send("GET", "/health/ready").json["status"] == "ready"
                }
            }
        }

        @Test(
            "With the broker away the API says why it is degraded, and a worker that it gets no work",
            .controlsBroker
        )
        func brokerAway() async throws {
            try await TestStack.with { stack in
                let worker = try await stack.start(.mediaWorker)
                let health = worker.health
                try await TestServer.broker.stopped {
                    try await eventually("the API has noticed") {
                        try await stack.client.healthCheck("broker")["status"] == "degraded"
                    }
                    try await eventually("the worker has noticed") {
                        try await health.send("GET", "/health/ready").status == 503
                    }
                    #expect(try await health.healthCheck("image jobs")["action"].string?.contains("AMQP_URL") == true)
                    #expect(try await stack.client.send("GET", "/health/ready").status == 200)
                }
                for client in [stack.client, health] {
                    try await eventually("all are ready again") {
                        try await client.send("GET", "/health/ready").json["status"] == "ready"
                    }
                }
                try await stack.stop(worker)
            }
        }

        @Test(
            "With Postgres away every call answers 503 and when to come again; then everything goes on by itself",
            .controlsPostgres
        )
        func postgresAway() async throws {
            try await TestStack.with { stack in
                let worker = try await stack.start(.mediaWorker)
                let health = worker.health
                let calls = try await stack.calls()
                #expect(calls.count > 25, "\(calls)")
                let video = try await stack.uploadOne(try await Samples(in: stack.directory).video(seconds: 12))
                try await stack.client.taken(video)
                try await TestServer.postgres.killed {
                    try await eventually("the API has forgotten whom the token belongs to") {
                        try await stack.client.send("POST", "/v1/items").status == 503
                    }
                    for call in calls {
                        let answer = try await stack.send(call)
                        #expect(answer.status == 503, "\(call): \(answer.status) \(answer.json)")
                        #expect(answer.headers["retry-after"] != nil, "\(call)")
                        if call.method != "HEAD" {
                            #expect(answer.json["code"] == "database_unavailable", "\(call): \(answer.json)")
                        }
                    }
                    for client in [stack.client, health] {
                        #expect(try await client.send("GET", "/health/ready").status == 503)
                        #expect(try await client.healthCheck("database")["status"] == "failed")
                        #expect(try await client.send("GET", "/health/live").status == 200)
                    }
                }
                for client in [stack.client, health] {
                    try await eventually("all are ready again") {
                        try await client.send("GET", "/health/ready").json["status"] == "ready"
                    }
                }
                #expect(try await stack.client.send("GET", "/v1/items").status == 200)
                #expect(try await stack.client.settled(video, within: .seconds(120))["status"] == "ready")
                let history = try await stack.control("jobs", "show", video)
                #expect(!history.contains("lease ended"), "\(history)")
                try await stack.stop(worker)
            }
        }
    }
}

/// One call of the API's description.
private struct Call: CustomStringConvertible {
    let method: String
    let path: String

    var description: String { "\(method) \(path)" }
}

extension TestStack {
    /// Every call `/openapi.json` describes but those that ask no database.
    fileprivate func calls() async throws -> [Call] {
        let description = try await client.send("GET", "/openapi.json").json
        guard case .object(let paths) = description["paths"] else { return [] }
        return paths.flatMap { path, operations -> [Call] in
            guard path.hasPrefix("/v1/"), case .object(let methods) = operations else { return [] }
            return methods.keys.compactMap { method in
                let method = method.uppercased()
                guard ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"].contains(method) else { return nil }
                return Call(method: method, path: path)
            }
        }
    }

    fileprivate func send(_ call: Call) async throws -> Client.Answer {
        let id = "01890000-0000-7000-8000-000000000000"
        let path = call.path.replacing("{number}", with: "1").replacing(/\{[a-z_]+\}/, with: id)
        guard call.description == "POST /v1/sessions" else { return try await client.send(call.method, path) }
        return try await client.send(call.method, path, json: ["email": "a@example.com", "password": "a long one"])
    }
}
