import Foundation
import Models
import TestSupport
import Testing

/// Everything that starts servers and programs runs one after the other: a test may stop the broker.
@Suite(.serialized) struct Integration {}

extension Integration {
    @Suite struct Road {
        @Test("A photo, a HEIC, a PNG and a MOV of one request become renditions, and the originals stay bit for bit")
        func wholeRoad() async throws {
            try await TestSupport.Suite.with([.mediaWorker]) { suite in
                let samples = Samples(in: suite.directory)
                let files = [
                    try await samples.phonePhoto(), try await samples.heic(), try await samples.png(),
                    try await samples.film(),
                ]
                let item = try await suite.client.makeItem()
                let answer = try await suite.client.upload(files, to: item)
                #expect(answer.status == 201)
                #expect(answer.json["rejected"].elements.isEmpty)
                let assets = answer.json["assets"].elements
                try #require(assets.count == 4)
                #expect(assets.map { $0["kind"].string } == ["image", "image", "image", "video"])
                for (asset, file) in zip(assets, files) {
                    let ready = try await suite.client.settled(asset["id"].string ?? "")
                    #expect(ready["status"] == "ready", "\(ready)")
                    let sum = try await run("sha256sum", file.path).prefix(64)
                    #expect(ready["sha256"].string == String(sum))
                    let original = try await suite.client.send("GET", ready["url"].string ?? "")
                    #expect(original.body == (try Data(contentsOf: file)))
                    let names = ready["renditions"].elements.compactMap { $0["name"].string }
                    #expect(names == (ready["kind"] == "video" ? ["720p", "poster"] : ["compressed", "thumbnail"]))
                    for rendition in ready["renditions"].elements {
                        let download = try await suite.client.send("GET", rendition["url"].string ?? "")
                        #expect(download.status == 200)
                        #expect(download.body.count == rendition["bytes"].integer)
                    }
                }
            }
        }

        @Test("A photo taken upright is shown upright, and where it was taken is not told")
        func orientation() async throws {
            try await TestSupport.Suite.with([.mediaWorker]) { suite in
                let photo = try await Samples(in: suite.directory).phonePhoto()
                let asset = try await suite.uploadOne(photo)
                let ready = try await suite.client.settled(asset)
                #expect(ready["width"].integer == 900)
                #expect(ready["height"].integer == 1200)
                for name in ["compressed", "thumbnail"] {
                    let file = suite.directory.appending(path: "\(name).jpg")
                    let answer = try await suite.client.send("GET", "/v1/assets/\(asset)/renditions/\(name)")
                    try answer.body.write(to: file)
                    let corner = try await run("convert", file.path, "-format", "%[pixel:p{20,20}]", "info:")
                    #expect(corner.contains("srgb(2"), "the top left corner is \(corner), not red")
                    #expect(answer.body.range(of: Data("Exif".utf8)) == nil)
                }
            }
        }

        @Test("A film held upright stays upright and begins to play at once")
        func film() async throws {
            try await TestSupport.Suite.with([.mediaWorker]) { suite in
                let asset = try await suite.uploadOne(try await Samples(in: suite.directory).film())
                let ready = try await suite.client.settled(asset)
                #expect(ready["status"] == "ready", "\(ready)")
                let file = suite.directory.appending(path: "720p.mp4")
                let answer = try await suite.client.send("GET", "/v1/assets/\(asset)/renditions/720p")
                try answer.body.write(to: file)
                let probe = try await run(
                    "ffprobe",
                    "-v",
                    "error",
                    "-show_entries",
                    "stream=codec_name,width,height",
                    "-of",
                    "csv=p=0",
                    file.path
                )
                #expect(probe.contains("h264,720,1280"))
                #expect(probe.contains("aac"))
                let index = try #require(answer.body.range(of: Data("moov".utf8)))
                let media = try #require(answer.body.range(of: Data("mdat".utf8)))
                #expect(index.lowerBound < media.lowerBound)
            }
        }
    }
}

extension TestSupport.Suite {
    /// Uploads one file to a new item and gives the asset's id.
    func uploadOne(_ file: URL) async throws -> String {
        let answer = try await client.upload([file], to: try await client.makeItem())
        return try #require(answer.json["assets"].elements.first?["id"].string, "\(answer.status) \(answer.json)")
    }
}
