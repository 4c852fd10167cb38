import Foundation
import Models
import TestSupport
import Testing

extension Integration {
    /// What the media worker makes of photos and videos.
    @Suite struct Renditions {
        @Test("A photo, a HEIC, a PNG and a MOV of one request become renditions, and the originals stay bit for bit")
        func allKinds() async throws {
            try await TestStack.with(.mediaWorker) { stack in
                let samples = Samples(in: stack.directory)
                let files = [
                    try await samples.phonePhoto(), try await samples.heic(), try await samples.png(),
                    try await samples.video(),
                ]
                let item = try await stack.client.makeItem()
                let answer = try await stack.client.upload(files, to: item)
                #expect(answer.status == 201)
                #expect(answer.json["rejected"].elements.isEmpty)
                let assets = answer.json["assets"].elements
                try #require(assets.count == 4)
                #expect(assets.map { $0["kind"].string } == ["image", "image", "image", "video"])
                for (asset, file) in zip(assets, files) {
                    let ready = try await stack.client.settled(asset["id"].string ?? "")
                    #expect(ready["status"] == "ready", "\(ready)")
                    #expect(try await ready["sha256"].string == sha256(of: file))
                    let original = try await stack.client.send("GET", ready["url"].string ?? "")
                    #expect(original.body == (try Data(contentsOf: file)))
                    let names = ready["renditions"].elements.compactMap { $0["name"].string }
                    #expect(names == (ready["kind"] == "video" ? ["720p", "poster"] : ["compressed", "thumbnail"]))
                    for rendition in ready["renditions"].elements {
                        let download = try await stack.client.send("GET", rendition["url"].string ?? "")
                        #expect(download.status == 200)
                        #expect(download.body.count == rendition["bytes"].integer)
                        let beginnings = [
                            "video/mp4": (4, Data("ftyp".utf8)), "image/jpeg": (0, Data([0xFF, 0xD8])),
                            "image/png": (1, Data("PNG".utf8)),
                        ]
                        let (offset, bytes) = try #require(beginnings[rendition["content_type"].string ?? ""])
                        #expect(download.body.dropFirst(offset).prefix(bytes.count) == bytes)
                    }
                }
            }
        }

        @Test("A photo taken upright is shown upright, and where it was taken is not told")
        func orientation() async throws {
            try await TestStack.with(.mediaWorker) { stack in
                let photo = try await Samples(in: stack.directory).phonePhoto()
                func latitude(_ file: URL) async throws -> String {
                    try await run("exiftool", "-s3", "-gps:all", file.path)
                }
                #expect(try await !latitude(photo).isEmpty, "the sample says where it was taken")
                let asset = try await stack.uploadOne(photo)
                let ready = try await stack.client.settled(asset)
                #expect(ready["width"].integer == 900)
                #expect(ready["height"].integer == 1200)
                for name in ["compressed", "thumbnail"] {
                    let file = stack.directory.appending(path: "\(name).jpg")
                    let answer = try await stack.client.send("GET", "/v1/assets/\(asset)/renditions/\(name)")
                    try answer.body.write(to: file)
                    let size = try await run("identify", "-format", "%w %h", file.path).split(separator: " ").map {
                        Int($0) ?? 0
                    }
                    #expect(size[0] < size[1], "\(name) is \(size)")
                    // Percent of red, green and blue.
                    let channels = ["r", "g", "b"].map { "%[fx:int(100*p{20,20}.\($0))]" }.joined(separator: " ")
                    let corner = try await run("convert", file.path, "-format", channels, "info:")
                    let colours = corner.split(separator: " ").compactMap { Int($0) }
                    #expect(
                        colours.count == 3 && colours[0] > 80 && colours[1] < 20 && colours[2] < 20,
                        "the top left corner of \(name) is \(corner), not red"
                    )
                    #expect(try await latitude(file).isEmpty)
                    #expect(answer.body.range(of: Data("Exif".utf8)) == nil)
                }
            }
        }

        @Test("A video held upright stays upright and begins to play at once")
        func uprightVideo() async throws {
            try await TestStack.with(.mediaWorker) { stack in
                let asset = try await stack.uploadOne(try await Samples(in: stack.directory).video())
                let ready = try await stack.client.settled(asset)
                #expect(ready["status"] == "ready", "\(ready)")
                let file = stack.directory.appending(path: "720p.mp4")
                let answer = try await stack.client.send("GET", "/v1/assets/\(asset)/renditions/720p")
                try answer.body.write(to: file)
                let entries = ["-v", "error", "-show_entries", "stream=codec_name,width,height", "-of", "csv=p=0"]
                let probe = try await run("ffprobe", entries + [file.path])
                #expect(probe.contains("h264,720,1280"))
                #expect(probe.contains("aac"))
                let index = try #require(answer.body.range(of: Data("moov".utf8)))
                let media = try #require(answer.body.range(of: Data("mdat".utf8)))
                #expect(index.lowerBound < media.lowerBound)
            }
        }
    }
}
