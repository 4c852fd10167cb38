import Database
import Foundation
import Models
import TestSupport
import Testing

extension Integration {
    /// Disks that are full, or are about to be.
    @Suite(.mountsVolumes) struct UploadSpace {
        @Test("When a volume runs low the next one is used; when all are low a file is refused before its body")
        func nextVolume() async throws {
            try await withVolumes { stack, first, second in
                let item = try await stack.client.makeItem()
                let path = "/v1/items/\(item)/assets"
                let photo = try await Samples(in: stack.directory).photo("photo.jpg", bytes: 10_000_000)
                // Room for a small file, not for this one, which does not say its length before its bytes.
                try await first.fill(until: reserve + 5_000_000)
                #expect(try await stack.client.upload([photo], to: item).status == 201)
                let pdf = try stack.file("a.pdf", document(6_000_000))
                let chunked = ["-T", pdf.path, "-H", "Transfer-Encoding: chunked"]
                #expect(try await stack.client.send("PUT", "\(path)/a.pdf", curl: chunked).status == 201)
                #expect(try await stack.volumesOfAssets == ["second", "second"])

                try await second.fill(until: reserve + 1_000_000)
                let files = (first.files + second.files).count
                let expecting = ["-H", "Expect: 100-continue"]
                let other = try stack.file("b.pdf", document(6_000_000))
                for answer in [
                    try await stack.client.upload([other], to: item, curl: expecting),
                    try await stack.client.send("PUT", "\(path)/b.pdf", curl: ["-T", other.path] + expecting),
                    try await ResumableClient(stack).begin(expecting: 6_000_000),
                ] {
                    #expect(answer.status == 507)
                    #expect(answer.json["code"] == "storage_full")
                    #expect(answer.headers["retry-after"] != nil)
                    #expect(answer.uploaded == 0)
                }
                // Without a length it is known only in the middle.
                let large = try stack.file("c.pdf", document(30_000_000))
                let inTheMiddle = ["-T", large.path, "-H", "Transfer-Encoding: chunked"]
                let refused = try await stack.client.send("PUT", "\(path)/c.pdf", curl: inTheMiddle)
                #expect(refused.status == 507)
                #expect(refused.headers["retry-after"] != nil)
                try await eventually("no file of an upload is open") { stack.api.spooled.isEmpty }
                #expect((first.files + second.files).count == files)
                #expect(try await stack.volumesOfAssets.count == 2)
                #expect(try await stack.uploads.isEmpty)

                for volume in [first, second] { try volume.empty() }
                #expect(try await stack.client.upload([other], to: item).status == 201)
                #expect(try await stack.volumesOfAssets == ["main", "second", "second"])
            }
        }

        @Test("An upload that meets a full disk keeps what has arrived, and goes on when there is room")
        func metInTheMiddle() async throws {
            try await withVolumes { stack, first, _ in
                let client = ResumableClient(stack)
                let bytes = try document(30_000_000)
                let path = try await client.beginWithoutLength()
                try await first.fill(until: reserve + 12_000_000)
                let chunked = "Transfer-Encoding: chunked"
                let met = try await client.append(bytes, at: 0, to: path, headers: [chunked])
                #expect(met.status == 507, "\(met.json)")
                #expect(met.headers["retry-after"] != nil)
                let offset = try await client.offset(of: path)
                #expect(offset > 8_000_000 && offset < bytes.count)
                // The reserve stays, however often it is tried; a body that says its length is refused before it comes.
                let left = try first.free
                for headers in [[chunked], ["Expect: 100-continue"]] {
                    let again = try await client.append(bytes[offset...], at: offset, to: path, headers: headers)
                    #expect(again.status == 507)
                    if headers != [chunked] { #expect(again.uploaded == 0) }
                }
                #expect(try await client.offset(of: path) == offset)
                #expect(try first.free == left)

                try first.empty()
                let rest = ["Upload-Length: \(bytes.count)"]
                #expect(try await client.append(bytes[offset...], at: offset, to: path, headers: rest).status == 204)
                #expect(try await client.asset(of: path)["sha256"].string == stack.sum(of: bytes))
            }
        }

        @Test("A length that is declared late and does not fit is refused before the body, and the upload stays")
        func declaredLate() async throws {
            try await withVolumes { stack, first, _ in
                let client = ResumableClient(stack)
                let bytes = try document(20_000_000)
                let path = try await client.beginWithoutLength()
                #expect(try await client.append(bytes[..<1_000_000], at: 0, to: path).status == 204)
                try await first.fill(until: reserve + 9_000_000)
                let left = try first.free
                let headers = ["Upload-Length: \(bytes.count)", "Expect: 100-continue"]
                let part = bytes[1_000_000..<2_000_000]
                let refused = try await client.append(part, at: 1_000_000, to: path, headers: headers)
                #expect(refused.status == 507)
                #expect(refused.uploaded == 0)
                #expect(try first.free == left)
                #expect(try await client.offset(of: path) == 1_000_000)
                try first.empty()
                let rest = bytes[1_000_000...]
                #expect(try await client.append(rest, at: 1_000_000, to: path, headers: headers).status == 204)
                #expect(try await client.asset(of: path)["sha256"].string == stack.sum(of: bytes))
            }
        }

        @Test("Uploads that are only declared take no room; one whose bytes come meets the full disk and goes on later")
        func declaredAlone() async throws {
            try await withVolumes { stack, first, second in
                try await second.fill(until: reserve + 1_000_000)
                let client = ResumableClient(stack)
                let bytes = try document(40_000_000)
                let free = try first.free
                // More than twice what the volume has.
                var paths: [String] = []
                for dialect in TestSupport.ResumableProtocol.allCases {
                    paths.append(try await client.begin(dialect, bytes.count))
                    paths.append(try await client.begin(dialect, bytes.count))
                }
                #expect(abs(try first.free - free) < 1_000_000)

                // Of what comes, what is taken ahead comes back with the end of the connection.
                let cut = try client.beginSending(bytes, from: 0, count: 3_000_000, to: paths[0])
                try await eventually("room is taken ahead") { try first.free < free - 30_000_000 }
                try await first.fill(until: reserve + 500_000)
                try await client.append(bytes, at: 0, to: paths[1]).expect(507)
                cut.end()
                try await eventually("the room comes back") { try first.free > reserve + 20_000_000 }
                #expect(try await client.offset(of: paths[0]) == 3_000_000)
                try first.empty()
                try await client.finish(bytes, paths[0])
                #expect(try await client.asset(of: paths[0])["sha256"].string == stack.sum(of: bytes))
            }
        }

        @Test("While its bytes come an upload has room for those ahead of them, whatever else comes to the disk")
        func roomIsKept() async throws {
            try await withVolumes { stack, first, _ in
                let client = ResumableClient(stack)
                let bytes = try document(20_000_000)
                let path = try await client.begin(bytes.count)
                let free = try first.free
                let connection = try client.beginSending(bytes, from: 0, count: 3_000_000, to: path)
                try await eventually("room is taken ahead") { try first.free < free - bytes.count + 1_000_000 }
                try await first.fill(until: 500_000)
                try connection.send(bytes[3_000_000...])
                #expect(try connection.receive().hasPrefix("HTTP/1.1 204"))
                let asset = try await client.asset(of: path)
                let sum = try await stack.sum(of: bytes)
                try #require(asset["sha256"].string == sum, "\(asset)")
                #expect(first.files.count == 1)
            }
        }

        @Test("A volume without inodes is passed over, by a file and by an upload in several requests")
        func inodes() async throws {
            try await withVolumes(inodes: 60) { stack, first, second in
                try first.fillInodes()
                let client = ResumableClient(stack)
                let bytes = try document(100_000)
                let path = try await client.begin(bytes.count)
                #expect(try await client.append(bytes, at: 0, to: path).status == 204)
                let file = try stack.file("a.pdf", document(100_000))
                let put = ["-T", file.path]
                #expect(try await stack.client.send("PUT", "/v1/documents/a.pdf", curl: put).status == 201)
                #expect(try await stack.volumesOfAssets == ["second", "second"])

                try second.fillInodes()
                let other = ["-T", try stack.file("b.pdf", try document(100_000)).path]
                #expect(try await stack.client.send("PUT", "/v1/documents/b.pdf", curl: other).status == 507)
                #expect(try await client.begin(expecting: 100_000).status == 507)
                #expect(try await stack.uploads.count == 1)
                try second.empty()
                #expect(try await stack.client.send("PUT", "/v1/documents/b.pdf", curl: other).status == 201)
            }
        }

        private let reserve = 8 << 20

        private func withVolumes(
            inodes: Int = 500,
            _ body: (TestStack, MountedVolume, MountedVolume) async throws -> Void
        ) async throws {
            try await MountedVolume.withExt4("main", megabytes: 64, inodes: inodes) { first in
                try await MountedVolume.withExt4("second", megabytes: 64, inodes: inodes) { second in
                    let variables = [
                        "VOLUMES": "\(first.setting),\(second.setting)", "VOLUME_RESERVE_BYTES": "\(reserve)",
                        "MAX_VIDEO_BYTES": "52428800",
                    ]
                    try await TestStack.with(environment: variables) { try await body($0, first, second) }
                }
            }
        }
    }
}

extension Client.Answer {
    fileprivate func expect(_ expected: Int, sourceLocation: SourceLocation = #_sourceLocation) {
        #expect(status == expected, "\(json)", sourceLocation: sourceLocation)
    }
}

extension ResumableClient {
    fileprivate func begin(expecting bytes: Int) async throws -> Client.Answer {
        try await client.send("POST", "/v1/uploads", headers: [Self.tus, "Upload-Length: \(bytes)"])
    }
}

extension TestStack {
    /// Which volume each asset lies on.
    fileprivate var volumesOfAssets: [String] {
        get async throws {
            try await database.run(Query<Value<String>>("SELECT volume AS value FROM assets ORDER BY volume")())
                .map(\.value)
        }
    }
}
