import Foundation
import Models
import Testing

@testable import Storage

@Suite("Layout of a volume")
struct StorageLayoutTests {
    private let asset = AssetID.new()
    private let export = ExportID.new()
    private let job = JobID.new()
    private let upload = UploadID.new()
    private let company = CompanyID.new()

    @Test("A path that was made of a place is read as that place")
    func roundTrip() throws {
        let digest = try #require(RunningSums().digest)
        for (path, place) in [
            (StorageLayout.originalPath(of: company, digest), StorageLayout.Place.original(company, digest)),
            (StorageLayout.partialPath(of: upload), .partial(upload)),
            (
                StorageLayout.path(StorageLayout.renditions(of: asset, fence: 7) + ["poster.jpg"]),
                .rendition(asset, fence: 7)
            ),
            (
                StorageLayout.path(StorageLayout.archive(of: export, number: 2, fence: 3)),
                .archive(export, number: 2, fence: 3)
            ),
            (StorageLayout.path(StorageLayout.work(of: job, fence: 4) + ["a", "b"]), .work(job, fence: 4)),
        ] {
            #expect(StorageLayout.Place(path: path) == place)
        }
    }

    @Test("Rows keep the paths they have: the layout does not change")
    func paths() throws {
        let digest = try #require(RunningSums().digest)
        #expect(StorageLayout.originalPath(of: company, digest) == "originals/\(company)/e3/\(digest)")
        #expect(StorageLayout.partialPath(of: upload) == "spool/uploads/\(upload)")
        let part = StorageLayout.archive(of: export, number: 2, fence: 3)
        #expect(StorageLayout.path(part) == "exports/\(export.description.suffix(2))/\(export)/2-3.zip")
        let renditions = StorageLayout.renditions(of: asset, fence: 1)
        #expect(StorageLayout.path(renditions) == "renditions/\(asset.description.suffix(2))/\(asset)/1")
        #expect(StorageLayout.path(StorageLayout.work(of: job, fence: 9)) == "spool/jobs/\(job)/9")
    }

    @Test("What an attempt made tells its fence")
    func fences() {
        func fence(_ path: String) -> Int64? { StorageLayout.Place(path: path).fence }
        #expect(fence("renditions/\(asset.description.suffix(2))/\(asset)/12/thumbnail.jpg") == 12)
        #expect(fence("exports/\(export.description.suffix(2))/\(export)/1-5.zip") == 5)
        #expect(fence("spool/jobs/\(job)/3/video.mp4") == 3)
        #expect(fence("spool/uploads/\(upload)") == nil)
    }

    @Test("What is not at its place is a stranger")
    func strangers() throws {
        let digest = try #require(RunningSums().digest)
        let end = export.description.suffix(2)
        for path in [
            "", "originals", "originals/\(company)/e3", "originals/\(company)/00/\(digest)", "originals/x/e3/\(digest)",
            "originals/\(company)/e3/\(digest)/more", "renditions/zz/\(asset)/1/a.jpg",
            "renditions/\(asset.description.suffix(2))/\(asset)/first/a.jpg",
            "renditions/\(asset.description.suffix(2))/\(asset)/1", "exports/\(end)/\(export)/1.zip",
            "exports/\(end)/\(export)/1-2-3.zip", "exports/\(end)/\(export)/1-2.tar", "exports/zz/\(export)/1-2.zip",
            "spool/uploads/notes.txt", "spool/\(upload)", "spool/jobs/\(job)/1", "spool/jobs/\(job)/x/a.jpg",
            "other/\(upload)",
        ] {
            #expect(StorageLayout.Place(path: path) == .stranger, "\(path)")
        }
    }
}
