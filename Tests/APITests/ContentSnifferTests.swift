import Config
import Models
import Testing

@testable import API

@Suite("What a file is")
struct ContentSnifferTests {
    private static func sniff(
        _ bytes: [UInt8],
        _ name: String = "",
        _ type: String? = nil,
        hasItem: Bool = true
    ) throws -> Asset.Content {
        let name = try Filename(cleaning: Array(name.utf8))
        return try ContentSniffer.sniff(bytes, filename: name, declaredType: type, hasItem: hasItem)
    }

    private static func code(
        _ bytes: [UInt8],
        _ name: String = "",
        _ type: String? = nil,
        hasItem: Bool = true
    ) -> ContentRejection.Code? {
        do {
            _ = try sniff(bytes, name, type, hasItem: hasItem)
            return nil
        } catch {
            return (error as? ContentRejection)?.code
        }
    }

    @Test("Pictures and videos are known by their bytes, whatever they are called", arguments: Sample.media)
    func media(sample: Sample) throws {
        for name in ["", "a", "a.bin", "a.pdf"] {
            let content = try Self.sniff(sample.bytes, name, "application/octet-stream")
            #expect(content == Asset.Content(kind: sample.kind, contentType: sample.contentType))
        }
    }

    @Test(
        "Documents are known by their bytes, and by their extension where the bytes leave it open",
        arguments: Sample.documents + Sample.sounds
    )
    func documents(sample: Sample) throws {
        let content = try Self.sniff(sample.bytes, sample.name, hasItem: false)
        #expect(content == Asset.Content(kind: .document, contentType: sample.contentType))
    }

    @Test("Any picture may be called any picture: phones send HEIC as .jpg")
    func samePicture() throws {
        #expect(try Self.sniff(Sample.heic, "foto.jpg", "image/jpeg").contentType == "image/heic")
        #expect(try Self.sniff(Sample.mp4, "video.mov", "video/quicktime").contentType == "video/mp4")
    }

    @Test(
        "What is called a picture or a video and is none is refused",
        arguments: [
            ("<html><script>alert(1)</script>", "a.jpg", "image/jpeg"),
            ("<html>", "a.pdf", "image/png"),
            ("  \n<svg xmlns='http://www.w3.org/2000/svg'/>", "a.jpg", "image/jpeg"),
            ("<?xml version='1.0'?><svg/>", "a.png", "application/octet-stream"),
            ("#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", "a.mp4", "video/mp4"),
            ("ffconcat version 1.0\nfile '/etc/passwd'\n", "a.mp4", ""),
            ("%PDF-1.7", "a.jpeg", ""),
            ("hola", "a", "video/mp4"),
            ("\u{1}\u{2}\u{3}", "a.jpg", ""),
            ("hola", "a.heics", ""),
            ("hola", "a.3gpp", ""),
            ("hola", "a.m2t", ""),
            ("PK\u{3}\u{4}aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "a.heic", ""),
        ]
    )
    func mismatch(text: String, name: String, type: String) {
        #expect(Self.code(Array(text.utf8), name, type) == .contentMismatch)
    }

    @Test("A video called a picture is refused, and a picture called a video")
    func mixedUp() {
        #expect(Self.code(Sample.mp4, "a.jpg", "image/jpeg") == .contentMismatch)
        #expect(Self.code(Sample.jpeg, "a.mp4", "video/mp4") == .contentMismatch)
        #expect(Self.code(Sample.jpeg, "a.jpg", "video/mp4") == .contentMismatch)
    }

    @Test(
        "Markup, programs, playlists and what nobody knows are documents of a type that runs nowhere",
        arguments: Sample.opaque
    )
    func opaque(sample: Sample) throws {
        for type in [nil, "application/octet-stream", "text/html", "image/svg+xml", "image/vnd.dwg"] {
            let content = try Self.sniff(sample.bytes, sample.name, type, hasItem: false)
            #expect(content == Asset.Content(kind: .document, contentType: "application/octet-stream"))
        }
    }

    @Test(
        "Pictures and videos that nothing here opens are documents, and may be called what they are",
        arguments: Sample.kept
    )
    func kept(sample: Sample) throws {
        let content = try Self.sniff(sample.bytes, sample.name)
        #expect(content == Asset.Content(kind: .document, contentType: sample.contentType))
        #expect(Self.code(sample.bytes, sample.name, hasItem: false) == .itemRequired)
    }

    @Test("A picture or a video without an item is refused, whatever it is called", arguments: Sample.media)
    func noItem(sample: Sample) {
        #expect(Self.code(sample.bytes, "a.pdf", hasItem: false) == .itemRequired)
    }

    @Test("What claims to be a picture or a video needs an item before its bytes come")
    func claimed() throws {
        for (name, type) in [("a.jpg", nil), ("a.MOV", nil), ("a", "image/png"), ("", "video/*")] as [(String, String?)]
        {
            let name = Filename(label: name)
            let rejection = #expect(throws: ContentRejection.self) {
                try ContentSniffer.requireItem(for: name, declaredType: type)
            }
            #expect(rejection?.code == .itemRequired)
        }
        for (name, type) in [
            ("a.pdf", nil), ("a.ts", nil), ("plano.dwg", "image/vnd.dwg"), ("a.svg", "image/svg+xml"), ("", nil),
        ]
            as [(String, String?)]
        {
            try ContentSniffer.requireItem(for: Filename(label: name), declaredType: type)
        }
    }

    @Test("An empty file is refused as such")
    func empty() {
        #expect(Self.code([], "a.jpg", "image/jpeg") == .emptyFile)
    }

    @Test("A character cut in two by the end of the prefix does not keep a text from being one")
    func cutCharacter() throws {
        let letters = Array(repeating: UInt8(ascii: "a"), count: ContentSniffer.prefixBytes - 2)
        #expect(try Self.sniff(letters + [0xE2, 0x82], "a.csv").contentType == "text/csv")
        let units = Array(repeating: [0x61, 0x00] as [UInt8], count: ContentSniffer.prefixBytes / 2 - 2)
        let wide = [0xFF, 0xFE] + units.joined()
        #expect(try Self.sniff(wide + [0x3D, 0xD8], "a.csv").contentType == "text/csv")
        #expect(try Self.sniff(wide + [0x00, 0x00], "a.csv").contentType == "application/octet-stream")
    }
}

@Suite("The documents that are taken")
struct DocumentTypesTests {
    private static func isTaken(_ bytes: [UInt8], _ name: String, by list: String) throws -> Bool {
        let name = Filename(label: name)
        let content = try ContentSniffer.sniff(bytes, filename: name, declaredType: nil, hasItem: true)
        do {
            try DocumentTypes(list).require(content, named: name)
            return true
        } catch let rejection as ContentRejection {
            #expect(rejection.code == .unsupportedType)
            #expect(rejection.detail.contains(list))
            return false
        }
    }

    @Test("A list names extensions and media types; what stands for a type is told by the bytes")
    func listed() throws {
        let pdf = Array("%PDF-1.7".utf8)
        let text = Array("a;b".utf8)
        for (bytes, name, list, isTaken) in [
            (pdf, "example.com", ".PDF, docx", true), (pdf, "a", "application/pdf", true),
            (pdf, "a.pdf", "docx,text/csv", false),
            (text, "a.pdf", "pdf", false), (text, "a.csv", "pdf,text/csv", true), (text, "a.txt", "csv", false),
            (Array("<html>".utf8), "a.pdf", "pdf", false), (Array("AC1032\0".utf8), "a.DWG", "dwg", true),
            (Array("AC1032\0".utf8), "a.dxf", "dwg", false),
        ] {
            #expect(try Self.isTaken(bytes, name, by: list) == isTaken, "\(name) \(list)")
        }
    }

    @Test("A picture needs to stand in no list")
    func media() throws {
        #expect(try Self.isTaken(Sample.jpeg, "a.jpg", by: "pdf"))
    }

    @Test(
        "A list with something else in it stops the start",
        arguments: ["pdf,,docx", "pdf docx", "pdf;docx", "*", "ñ", ","]
    )
    func malformed(list: String) {
        #expect(throws: SettingsError.self) { try UploadLimits(reader: APIFixture.reader(["DOCUMENT_TYPES": list])) }
    }
}
