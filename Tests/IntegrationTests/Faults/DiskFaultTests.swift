import Foundation
import Models
import TestSupport
import Testing

extension Integration.FaultMatrix {
    /// Disks that fail, and disks that are full.
    @Suite(.countsWrongAnswers) struct DiskFaults {
        @Test("A disk that fails its first sync: never acknowledged, and good again afterwards", .failsCalls)
        func failedSync() async throws {
            try await FaultScenario("EIO on the first sync", few: 1, full: 50).run { stack, round in
                let item = try await stack.client.makeItem()
                let photo = try await stack.quickPhoto("one.jpg", bytes: 50_000 + round)
                try await FailingCalls.with("fdatasync", of: stack.api.processID) {
                    let refused = try await stack.client.upload([photo], to: item)
                    #expect(refused.status >= 500, "\(refused.status) \(refused.json)")
                }
                let began = ContinuousClock.now
                let taken = try await stack.client.upload([photo], to: item)
                #expect(taken.status == 201)
                #expect(taken.json["assets"].elements.first?["duplicate"] == .bool(false), "it had been stored")
                return .now - began
            }
        }

        @Test(
            "A disk that fills up under an upload: refused, the room comes back, and the next is taken",
            .mountsVolumes,
            arguments: UploadMethod.allCases
        )
        func full(_ method: UploadMethod) async throws {
            try await meetNoRoom("Disk full", by: method, inodes: 2000) { volume, round in
                let bytes = Int.random(in: 2_000_000...12_000_000)
                // Anywhere in the file; every fourth time near its end, where it may just fit.
                let isNear = round.isMultiple(of: 4)
                let room = isNear ? bytes + .random(in: -16_384...32_768) : .random(in: 0..<bytes - 65_536)
                return NoRoom(bytes: bytes, mayFit: isNear) { try await volume.fill(until: room) }
            }
        }

        @Test(
            "A disk without inodes: an upload is refused, and the next is taken",
            .mountsVolumes,
            arguments: UploadMethod.allCases
        )
        func inodes(_ method: UploadMethod) async throws {
            try await meetNoRoom("Disk without inodes", by: method, inodes: 600) { volume, round in
                // With one, a file can begin, and may not find a directory to be placed in.
                let left = round % 2
                return NoRoom(bytes: 50_000, mayFit: left > 0) { try volume.fillInodes(leaving: left) }
            }
        }

        /// What is sent while there is no room, and what takes the room.
        private struct NoRoom {
            let bytes: Int
            let mayFit: Bool
            let fill: () async throws -> Void
        }

        /// Lets a small disk be the only volume of a stack, which fills it to its end.
        private func meetNoRoom(
            _ fault: String,
            by method: UploadMethod,
            inodes: Int,
            _ prepare: (MountedVolume, Int) -> NoRoom
        ) async throws {
            try await MountedVolume.withExt4("main", megabytes: 64, inodes: inodes) { volume in
                let scenario = FaultScenario(
                    "\(fault) under \(method.rawValue)",
                    few: 2,
                    full: 70,
                    environment: ["VOLUMES": volume.setting, "VOLUME_RESERVE_BYTES": "0"]
                )
                try await scenario.run { stack, round in
                    let room = prepare(volume, round)
                    return try await stack.meetNoRoom(
                        room.bytes,
                        by: method,
                        on: volume,
                        mayFit: room.mayFit,
                        fill: room.fill
                    )
                }
            }
        }
    }
}

/// The ways a file can come, none of which says beforehand how large it is.
enum UploadMethod: String, CaseIterable {
    case form = "a form"
    case file = "a file"
    case resumable = "a resumable upload"
}

extension TestStack {
    /// Sends a file while there is no room, and another when there is again; gives how long that took.
    fileprivate func meetNoRoom(
        _ bytes: Int,
        by method: UploadMethod,
        on volume: MountedVolume,
        mayFit: Bool,
        fill: () async throws -> Void
    ) async throws -> Duration {
        let item = try await client.makeItem()
        let before = volume.files
        let upload = try file("large.pdf", try document(bytes))
        try await fill()
        let (answer, made) = try await send(upload, to: item, by: method)
        if !mayFit || ![201, 204].contains(answer.status) {
            #expect(answer.status == 507, "\(answer.json)")
            #expect(answer.headers["retry-after"] != nil)
        }
        if let made { #expect(try await client.send("DELETE", made, headers: [ResumableClient.tus]).status == 204) }
        try volume.empty()
        let began = ContinuousClock.now
        try await eventually("no file is open") { api.spooled.isEmpty }
        // What did fit waits for the collector.
        if answer.status != 201 { #expect(volume.files == before) }
        let taken = try await send(upload, to: item, by: .file)
        #expect(taken.answer.status == 201, "\(taken.answer.json)")
        let took = ContinuousClock.now - began
        if let made = taken.made { #expect(try await client.send("DELETE", made).status == 204) }
        return took
    }

    /// Sends a file without its length; gives the answer, and the path of what was made, though it may be unfinished.
    private func send(
        _ file: URL,
        to item: ItemID,
        by method: UploadMethod
    ) async throws -> (answer: Client.Answer, made: String?) {
        let chunked = "Transfer-Encoding: chunked"
        switch method {
        case .form:
            let answer = try await client.upload([file], to: item, curl: ["-H", chunked])
            return (answer, answer.json["assets"].elements.first?["id"].string.map { "/v1/assets/\($0)" })
        case .file:
            let path = "/v1/items/\(item)/assets/large.pdf"
            let answer = try await client.send("PUT", path, headers: [chunked], curl: ["-T", file.path])
            return (answer, answer.json["id"].string.map { "/v1/assets/\($0)" })
        case .resumable:
            let resumable = ResumableClient(self)
            let headers = [ResumableClient.tus, "Upload-Defer-Length: 1"]
            let begun = try await client.send("POST", "/v1/uploads", headers: headers)
            guard let path = begun.uploadPath else { return (begun, nil) }
            let bytes = try Data(contentsOf: file)
            return (try await resumable.append(bytes, at: 0, to: path, headers: [chunked]), path)
        }
    }
}
