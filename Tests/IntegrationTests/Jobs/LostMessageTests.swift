import Database
import Foundation
import Models
import Synchronization
import TestSupport
import Testing

@testable import Jobs
@testable import Messaging

extension Integration {
    /// Messages that the broker confirmed and then lost.
    @Suite struct LostMessages {
        @Test("A job whose message is lost is done also while its queue is never empty")
        func queueIsNeverEmpty() async throws {
            try await TestStack.with { stack in
                let item = try await stack.client.makeItem()
                // Takes a worker a good part of a second.
                let picture = try await stack.picture("5000x4000")
                let answer = try await stack.client.upload([try stack.photo(0, picture)], to: item)
                let lost = try #require(answer.json["assets"].elements.first?["id"].string, "\(answer)")
                let job = try #require(try await stack.database.first(Self.job(UUID(uuidString: lost)))?.value)
                try await eventually("the broker has confirmed it") {
                    try await stack.database.first(Self.isConfirmed(job))?.value == true
                }
                try await removeMessage(of: job)

                let worker = try await stack.start(.mediaWorker, environment: ["IMAGE_SLOTS": "1"])
                var number = 0
                try await eventually("the lost one is done", within: .seconds(50)) {
                    while try await stack.unfinishedJobs < 15 {
                        number += 1
                        let photo = try stack.photo(number, picture)
                        #expect(try await stack.client.upload([photo], to: item).status == 201)
                    }
                    return try await stack.job(of: lost).state == .done
                }
                #expect(try await stack.unfinishedJobs > 0, "the queue was empty before")
                try await stack.settleAll()
                try await stack.stop(worker)
            }
        }

        @Test("Jobs of a queue that has lost all its messages are announced again")
        func queueIsEmpty() async throws {
            try await TestStack.with { stack in
                let item = try await stack.client.makeItem()
                let picture = try await stack.picture("64x48")
                for number in 0..<3 {
                    #expect(try await stack.client.upload([try stack.photo(number, picture)], to: item).status == 201)
                }
                let confirmed = Query<Value<Int>>("SELECT count(*) AS value FROM jobs WHERE announce_at = 'infinity'")
                try await eventually("the broker has confirmed them") {
                    try await stack.database.first(confirmed())?.value == 3
                }
                try MessagingFixture().deleteQueues()
                // As if a minute had passed.
                _ = try await stack.database.run(
                    Query<NoRow>("UPDATE jobs SET run_after = run_after - interval '61 s'")()
                )
                let worker = try await stack.start(.mediaWorker)
                try await stack.settleAll()
                try await stack.stop(worker)
            }
        }

        @Test("However many messages were lost, no statement announces more than a thousand")
        func steps() async throws {
            try await CompanyFixture.with { fixture in
                let lost = Query<NoRow>(
                    """
                    INSERT INTO jobs (id, kind, subject_id, company_id, run_after, announce_at)
                    SELECT gen_random_uuid(), 'media.image', gen_random_uuid(), $1, now() - interval '61 s', 'infinity'
                      FROM generate_series(1, 1500)
                    """
                )
                _ = try await fixture.database.run(lost(fixture.company))
                var steps: [Int] = []
                for _ in 0..<3 {
                    steps.append(
                        try await fixture.database.transaction([JobStatements.announceAgain(Job.Kind.image)])[0]
                            .affected
                    )
                }
                #expect(steps == [1000, 500, 0])
            }
        }

        /// Takes messages from the queue of pictures until it has this job's.
        private func removeMessage(of job: JobID) async throws {
            let isRemoved = Mutex(false)
            let messaging = try MessagingFixture()
            let consumer = messaging.consumer(prefetch: 1) { delivery in
                if delivery.body == Array("\(job)".utf8) { isRemoved.withLock { $0 = true } }
                return .done
            }
            try await messaging.running(consumer) {
                try await eventually("its message is gone") { isRemoved.withLock { $0 } }
            }
        }

        private static let job = Query<Value<JobID>>("SELECT id AS value FROM jobs WHERE subject_id = $1")
        private static let isConfirmed = Query<Value<Bool>>(
            "SELECT announce_at = 'infinity' AS value FROM jobs WHERE id = $1"
        )
    }
}

extension TestStack {
    fileprivate func picture(_ size: String) async throws -> Data {
        let file = directory.appending(path: "picture.jpg")
        try await run("convert", "-size", size, "gradient:", "-strip", file.path)
        return try Data(contentsOf: file)
    }

    /// The same picture as a file of its own: what follows its end differs.
    fileprivate func photo(_ number: Int, _ picture: Data) throws -> URL {
        try file("photo-\(number).jpg", picture + Data("\(number)".utf8))
    }
}
