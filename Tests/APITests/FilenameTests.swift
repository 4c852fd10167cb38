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
        "A NUL, a line break or bytes that are not UTF-8 are refused",
        arguments: [
            Array("a\0b.jpg".utf8), Array("a\rb.jpg".utf8), Array("a\nb.jpg".utf8), Array("a\r\nb.jpg".utf8),
            Array("dir\0/ok.jpg".utf8), [0xFF], [0x61, 0xC3], [0xC0, 0xAF], [0xED, 0xA0, 0x80],
        ]
    )
    func bad(bytes: [UInt8]) {
        let error = #expect(throws: APIError.self) { try Filename(cleaning: bytes) }
        #expect(error?.status == .badRequest)
        #expect(error?.code == "bad_filename")
        #expect(error?.detail == Self.detail(bytes))
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

    private static func detail(_ bytes: [UInt8]) -> String {
        String(validating: bytes, as: UTF8.self) == nil
            ? "The file's name is not UTF-8. Rename the file."
            : "The file's name has a line break or a NUL in it. Rename the file."
    }

    @Test("A name in a path is percent-decoded before it is cleaned")
    func percentEncoded() throws {
        #expect(try Filename(percentEncoded: "a%C3%B1o%201.jpg").label == "a\u{F1}o 1.jpg")
        #expect(try Filename(percentEncoded: "..%2F..%2fetc%2Fpasswd").label == "passwd")
        #expect(try Filename(percentEncoded: "100%25.jpg").label == "100%.jpg")
        for bad in ["a%00.jpg", "a%0D%0A.jpg", "%FF.jpg", "a%.jpg", "a%2", "a%zz"] {
            let error = #expect(throws: APIError.self) { try Filename(percentEncoded: bad) }
            #expect(error?.code == "bad_filename", "\(bad)")
        }
    }
}
