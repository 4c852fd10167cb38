import Models

/// The first bytes of a file, and what they are.
struct Sample: Sendable, CustomTestStringConvertible {
    let name: String
    let bytes: [UInt8]
    let kind: Asset.Kind
    let contentType: String

    var testDescription: String { "\(name) \(contentType)" }

    private init(_ contentType: String, _ bytes: [UInt8], name: String = "", kind: Asset.Kind) {
        self.name = name
        self.bytes = bytes
        self.kind = kind
        self.contentType = contentType
    }

    static let jpeg: [UInt8] = [0xFF, 0xD8, 0xFF, 0xE0, 0x00, 0x10] + "JFIF\0".utf8
    static let heic = ftyp("heic", "mif1", "heic")
    static let mp4 = ftyp("isom", "isom", "iso2", "avc1", "mp41")

    static let media: [Sample] =
        [
            ("image/jpeg", jpeg),
            ("image/png", [0x89] + "PNG\r\n\u{1A}\n\0\0\0\rIHDR".utf8),
            ("image/gif", Array("GIF89a".utf8)),
            ("image/gif", Array("GIF87a".utf8)),
            ("image/webp", Array("RIFF\u{24}\0\0\0WEBPVP8 ".utf8)),
            ("image/tiff", Array("II*\0".utf8)),
            ("image/tiff", Array("MM\0*".utf8)),
            ("image/tiff", Array("II+\0".utf8)),
            ("image/heic", heic),
            ("image/heic", ftyp("mif1", "mif1", "heic")),
            ("image/heic-sequence", ftyp("hevc", "msf1", "hevc")),
            ("image/heif", ftyp("mif1", "mif1", "miaf")),
            ("image/heif", ftyp("msf1", "msf1")),
            ("image/avif", ftyp("avif", "mif1", "miaf")),
            ("image/avif", ftyp("mif1", "avif", "miaf")),
        ].map { Sample($0, $1, kind: .image) }
        + [
            ("video/mp4", mp4),
            ("video/mp4", ftyp("mp42", "isom")),
            ("video/mp4", ftyp("NIKO", "mp42")),
            ("video/quicktime", ftyp("qt  ", "qt  ")),
            ("video/quicktime", [0, 0, 0, 8] + "wide".utf8 + [0x06, 0x40, 0, 0] + "mdat".utf8),
            ("video/quicktime", [0x06, 0x40, 0, 0] + "mdat".utf8),
            ("video/x-m4v", ftyp("M4V ", "isom")),
            ("video/3gpp", ftyp("3gp4", "isom")),
            ("video/3gpp2", ftyp("3g2a", "isom")),
            ("video/webm", [0x1A, 0x45, 0xDF, 0xA3, 0x9F, 0x42, 0x86, 0x81, 1, 0x42, 0x82, 0x84] + "webm".utf8),
            ("video/x-matroska", [0x1A, 0x45, 0xDF, 0xA3, 0xA3, 0x42, 0x82, 0x88] + "matroska".utf8),
            ("video/x-msvideo", Array("RIFF\u{24}\0\0\0AVI LIST".utf8)),
            ("video/mp2t", packets(first: 0, length: 188)),
            ("video/mp2t", packets(first: 4, length: 192)),
            ("video/mpeg", [0x00, 0x00, 0x01, 0xBA, 0x44]),
            ("video/mpeg", [0x00, 0x00, 0x01, 0xB3]),
        ].map { Sample($0, $1, kind: .video) }

    static let documents: [Sample] = [
        ("a.pdf", "application/pdf", Array("%PDF-1.7\n%\u{E2}".utf8)),
        ("a.txt", "application/pdf", Array("%PDF-1.4".utf8)),
        ("a.rtf", "application/rtf", Array("{\\rtf1\\ansi".utf8)),
        ("a.doc", "application/msword", ole),
        ("a.XLS", "application/vnd.ms-excel", ole),
        ("a.ppt", "application/vnd.ms-powerpoint", ole),
        ("a.pdf", "application/x-ole-storage", ole),
        ("a.zip", "application/zip", entry("foto.jpg")),
        ("a.zip", "application/zip", Array("PK\u{5}\u{6}".utf8) + Array(repeating: 0, count: 18)),
        ("a", openXML + "wordprocessingml.document", entry("[Content_Types].xml") + entry("word/document.xml")),
        ("a.docx", openXML + "spreadsheetml.sheet", entry("_rels/.rels") + entry("xl/workbook.xml")),
        ("a.bin", openXML + "presentationml.presentation", entry("ppt/slides/slide1.xml")),
        ("a.xlsx", openXML + "spreadsheetml.sheet", entry("[Content_Types].xml") + entry("docProps/app.xml")),
        ("a.zip", "application/zip", entry("[Content_Types].xml")),
        ("a.zip", odf + "spreadsheet", entry("mimetype", odf + "spreadsheet")),
        ("a.odt", odf + "text", entry("mimetype", odf + "text") + entry("content.xml")),
        ("a.odp", odf + "presentation", entry("mimetype", odf + "presentation")),
        ("a.epub", "application/zip", entry("mimetype", "application/epub+zip")),
        ("a.txt", "text/plain", Array("año;número\n1;2\n".utf8)),
        ("a", "text/plain", Array("GIF is a format. MZ, BM and <3 are no signatures here.".utf8)),
        ("a.csv", "text/csv", Array("\u{FEFF}a;b\r\n1;2\r\n".utf8)),
        ("a.json", "application/json", Array("{\"a\": [1, 2]}".utf8)),
        ("notes.md", "text/plain", Array("# Notes\n\n<https://example.org>".utf8)),
        ("BMW.txt", "text/plain", Array("BM, mdat and moov".utf8)),
        ("1.txt", "text/plain", Array("1234moov".utf8)),
    ].map { Sample($1, $2, name: $0, kind: .document) }

    private static let ole: [UInt8] = [0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1, 0, 0]
    private static let openXML = "application/vnd.openxmlformats-officedocument."
    private static let odf = "application/vnd.oasis.opendocument."

    private static func ftyp(_ major: String, _ compatible: String...) -> [UInt8] {
        let size = UInt8(16 + 4 * compatible.count)
        return [0, 0, 0, size] + "ftyp\(major)\0\0\u{2}\0\(compatible.joined())".utf8 + "\0\0\0\u{8}mdat".utf8
    }

    private static func packets(first: Int, length: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0xFF, count: 3 * length + 8)
        for packet in 0..<3 { bytes[first + packet * length] = 0x47 }
        return bytes
    }

    private static func entry(_ name: String, _ content: String = "content") -> [UInt8] {
        let size = [UInt8(content.utf8.count), 0, 0, 0]
        let header: [UInt8] = [0x50, 0x4B, 3, 4, 20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4]
        return header + size + size + [UInt8(name.utf8.count), 0, 0, 0] + name.utf8 + content.utf8
    }
}
