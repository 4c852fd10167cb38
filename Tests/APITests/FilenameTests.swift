import HTTPTypes
import Testing

@testable import API

@Suite("File names")
struct FilenameTests {
    @Test(
        "A name is a label and never a path",
        arguments: [
            ("foto.jpg", "foto.jpg"),
            ("../../etc/passwd", "passwd"),
            ("/etc/passwd", "passwd"),
            (#"C:\Users\ana\foto 1.jpg"#, "foto 1.jpg"),
            (#"..\..\windows/system32\a.dll"#, "a.dll"),
            ("carpeta/", "carpeta"),
            ("..", ""), ("../..", ""), ("/", ""), ("", ""), ("  ", ""), (". . .", ""),
            (" foto.jpg . ", "foto.jpg"),
            (".env", ".env"),
            ("cafe\u{301}.jpg", "caf\u{E9}.jpg"),
            ("\u{202E}gpj.exe", "gpj.exe"),
            ("a\u{2066}b\u{2069}\u{200F}c\u{FEFF}.jpg", "abc.jpg"),
            ("a\u{1B}[31m\u{7F}\u{85}\tb\u{2028}.jpg", "a[31mb.jpg"),
            ("👨‍👩‍👧 familia.jpg", "👨‍👩‍👧 familia.jpg"),
            ("año 日本 ملف.pdf", "año 日本 ملف.pdf"),
        ]
    )
    func labels(name: String, label: String) throws {
        let cleaned = try Filename(cleaning: Array(name.utf8)).label
        #expect(Array(cleaned.utf8) == Array(label.utf8))
    }

    @Test(
        "A NUL or a line break is refused",
        arguments: ["a\0b.jpg", "a\rb.jpg", "a\nb.jpg", "a\r\nb.jpg", "dir\0/ok.jpg"]
    )
    func bad(name: String) {
        let rejection = #expect(throws: ContentRejection.self) { try Filename(cleaning: Array(name.utf8)) }
        #expect(rejection?.code == .badFilename)
        #expect(rejection?.detail == "The file's name has a line break or a NUL in it. Rename the file.")
        #expect(rejection.map { APIError(mapping: $0).status } == .badRequest)
    }

    @Test("A name that is refused is shown without what it is refused for")
    func shown() {
        #expect(Filename(showing: Array("dir/a\0b\r\n.jpg".utf8)).label == "ab.jpg")
        #expect(Filename(showing: [0x00, 0xF1]).label == "ñ")
    }

    @Test(
        "Bytes that are not UTF-8 are Windows-1252",
        arguments: [
            ([0xFF], "ÿ"), ([0x61, 0xC3], "aÃ"), ([0xED, 0xA0, 0x80], "í\u{A0}€"),
            ([0x63, 0x61, 0xF1, 0xF3, 0x6E, 0x2E, 0x6A, 0x70, 0x67], "cañón.jpg"),
            ([0x80, 0x93, 0x81, 0x94, 0x9F], "€“”Ÿ"), ([0xC0, 0xAF], "À¯"),
        ]
    )
    func windows(bytes: [UInt8], label: String) throws {
        #expect(try Filename(cleaning: bytes).label == label)
    }

    @Test("A name has 255 bytes at most: a longer one is shortened before its extension, and the path does not count")
    func length() throws {
        let longest = String(repeating: "ñ", count: 125) + "a.jpg"
        #expect(try Filename(cleaning: Array(longest.utf8)).label == longest)
        #expect(try Filename(cleaning: Array("some/long/path/\(longest)".utf8)).label == longest)
        let longer = String(repeating: "ñ", count: 200) + "b.jpg"
        #expect(try Filename(cleaning: Array(longer.utf8)).label == String(repeating: "ñ", count: 125) + ".jpg")
        let families = String(repeating: "👨‍👩‍👧", count: 30)
        #expect(try Filename(cleaning: Array(families.utf8)).label == String(repeating: "👨‍👩‍👧", count: 14))
        let dotted = "a." + String(repeating: "b", count: 300)
        #expect(try Filename(cleaning: Array(dotted.utf8)).label == String(dotted.prefix(255)))
    }

    @Test(
        "What is left of a shortened name ends neither with space nor with a dot",
        arguments: [" ", ".", " . .", "\u{2003}"]
    )
    func shortenedEnd(end: String) throws {
        let start = String(repeating: "a", count: Filename.maximumBytes - end.utf8.count)
        let name = start + end + String(repeating: "b", count: 40)
        #expect(try Filename(cleaning: Array(name.utf8)).label == start)
    }

    @Test("A file without a name is called unnamed, with the extension of what it is")
    func unnamed() throws {
        let none = try Filename(cleaning: [])
        #expect(none.label(for: "image/jpeg") == "unnamed.jpg")
        #expect(none.label(for: "application/pdf") == "unnamed.pdf")
        #expect(none.label(for: "application/x-ole-storage") == "unnamed")
        #expect(try Filename(cleaning: Array("a".utf8)).label(for: "image/jpeg") == "a")
    }

    @Test(
        "The extension is what follows the last dot",
        arguments: [("a.JPG", "jpg"), ("a.tar.gz", "gz"), (".jpg", ""), ("jpg", ""), ("a.jpg.", "jpg")]
    )
    func extensions(name: String, fileExtension: String) throws {
        #expect(try Filename(cleaning: Array(name.utf8)).fileExtension == fileExtension)
    }

    @Test("A name in a path is percent-decoded before it is cleaned")
    func percentEncoded() throws {
        #expect(try Filename(percentEncoded: "a%C3%B1o%201.jpg").label == "a\u{F1}o 1.jpg")
        #expect(try Filename(percentEncoded: "..%2F..%2fetc%2Fpasswd").label == "passwd")
        #expect(try Filename(percentEncoded: "100%25.jpg").label == "100%.jpg")
        #expect(try Filename(percentEncoded: "a%F1o.jpg").label == "a\u{F1}o.jpg")
        for bad in ["a%00.jpg", "a%0D%0A.jpg", "a%.jpg", "a%2", "a%zz"] {
            let rejection = #expect(throws: ContentRejection.self) { try Filename(percentEncoded: bad) }
            #expect(rejection?.code == .badFilename, "\(bad)")
        }
    }
}
