import Models
import Testing

/// The first bytes of a file, and what they are.
struct Sample: Sendable, CustomTestStringConvertible {
    let name: String
    let bytes: [UInt8]
    let kind: Asset.Kind
    let contentType: String

    var testDescription: String { "\(name) \(contentType)" }

    private init(_ kind: Asset.Kind, _ contentType: String, _ bytes: [UInt8], name: String = "") {
        self.name = name
        self.bytes = bytes
        self.kind = kind
        self.contentType = contentType
    }

    private init(_ name: String, _ contentType: String, _ bytes: [UInt8]) {
        self.init(.document, contentType, bytes, name: name)
    }

    static let jpeg = raw("\u{FF}\u{D8}\u{FF}\u{E0}\0\u{10}JFIF\0")
    static let heic = ftyp("heic", "mif1", "heic")
    static let mp4 = ftyp("isom", "isom", "iso2", "avc1", "mp41")

    static let media: [Sample] = [
        Sample(.image, "image/jpeg", jpeg),
        Sample(.image, "image/png", raw("\u{89}PNG\r\n\u{1A}\n\0\0\0\rIHDR")),
        Sample(.image, "image/gif", raw("GIF89a")),
        Sample(.image, "image/gif", raw("GIF87a")),
        Sample(.image, "image/webp", raw("RIFF\u{24}\0\0\0WEBPVP8 ")),
        Sample(.image, "image/tiff", raw("II*\0")),
        Sample(.image, "image/tiff", raw("MM\0*")),
        Sample(.image, "image/tiff", raw("II+\0")),
        Sample(.image, "image/heic", heic),
        Sample(.image, "image/heic", ftyp("mif1", "mif1", "heic")),
        Sample(.image, "image/heic-sequence", ftyp("hevc", "msf1", "hevc")),
        Sample(.image, "image/heif", ftyp("mif1", "mif1", "miaf")),
        Sample(.image, "image/heif", ftyp("msf1", "msf1")),
        Sample(.image, "image/avif", ftyp("avif", "mif1", "miaf")),
        Sample(.image, "image/avif", ftyp("mif1", "avif", "miaf")),
        Sample(.video, "video/mp4", mp4),
        Sample(.video, "video/mp4", ftyp("mp42", "isom")),
        Sample(.video, "video/mp4", ftyp("NIKO", "mp42")),
        Sample(.video, "video/quicktime", ftyp("qt  ", "qt  ")),
        Sample(.video, "video/quicktime", raw("\0\0\0\u{8}wide\u{6}\u{40}\0\0mdat")),
        Sample(.video, "video/quicktime", raw("\u{6}\u{40}\0\0mdat")),
        Sample(.video, "video/quicktime", raw("\0\0\0\u{10}free\0\0\0\0\0\0\0\0\0\0\0\u{8}wide")),
        Sample(.video, "video/x-m4v", ftyp("M4V ", "isom")),
        Sample(.video, "video/3gpp", ftyp("3gp4", "isom")),
        Sample(.video, "video/3gpp2", ftyp("3g2a", "isom")),
        Sample(.video, "video/webm", raw("\u{1A}E\u{DF}\u{A3}\u{9F}B\u{86}\u{81}\u{1}B\u{82}\u{84}webm")),
        Sample(.video, "video/x-matroska", raw("\u{1A}E\u{DF}\u{A3}\u{A3}B\u{82}\u{88}matroska")),
        Sample(.video, "video/x-msvideo", raw("RIFF\u{24}\0\0\0AVI LIST")),
        Sample(.video, "video/mp2t", packets(first: 0, length: 188)),
        Sample(.video, "video/mp2t", packets(first: 4, length: 192)),
        Sample(.video, "video/mpeg", raw("\0\0\u{1}\u{BA}D")),
        Sample(.video, "video/mpeg", raw("\0\0\u{1}\u{B3}")),
    ]

    static let documents: [Sample] = [
        Sample("a.pdf", "application/pdf", raw("%PDF-1.7\n%\u{E2}")),
        Sample("a.txt", "application/pdf", raw("%PDF-1.4")),
        Sample("bom.pdf", "application/pdf", raw("\u{EF}\u{BB}\u{BF}%PDF-1.4")),
        Sample("late.pdf", "application/pdf", raw("\r\njunk\r\n%PDF-1.4")),
        Sample("speaks of it.txt", "text/plain", raw("It begins with %PDF-1.4")),
        Sample("a.rtf", "application/rtf", raw("{\\rtf1\\ansi")),
        Sample("a.doc", "application/msword", ole),
        Sample("a.XLS", "application/vnd.ms-excel", ole),
        Sample("a.ppt", "application/vnd.ms-powerpoint", ole),
        Sample("a.pdf", "application/x-ole-storage", ole),
        Sample("a.zip", "application/zip", entry("foto.jpg")),
        Sample("a.zip", "application/zip", raw("PK\u{5}\u{6}\0\0\0\0")),
        Sample("a", openXML + "wordprocessingml.document", entry("[Content_Types].xml") + entry("word/document.xml")),
        Sample("a.docx", openXML + "spreadsheetml.sheet", entry("_rels/.rels") + entry("xl/workbook.xml")),
        Sample("a.bin", openXML + "presentationml.presentation", entry("ppt/slides/slide1.xml")),
        Sample("a.xlsx", openXML + "spreadsheetml.sheet", entry("[Content_Types].xml") + entry("docProps/app.xml")),
        Sample("a.zip", "application/zip", entry("[Content_Types].xml")),
        Sample("a.zip", odf + "spreadsheet", entry("mimetype", odf + "spreadsheet")),
        Sample("a.odt", odf + "text", entry("mimetype", odf + "text") + entry("content.xml")),
        Sample("a.odp", odf + "presentation", entry("mimetype", odf + "presentation")),
        Sample("a.epub", "application/zip", entry("mimetype", "application/epub+zip")),
        Sample("a.txt", "text/plain", Array("año;número\n1;2\n".utf8)),
        Sample("a", "text/plain", raw("GIF is a format. MZ, BM and <3 are no signatures here.")),
        Sample("a.csv", "text/csv", Array("\u{FEFF}a;b\r\n1;2\r\n".utf8)),
        Sample("a.json", "application/json", raw("{\"a\": [1, 2]}")),
        Sample("excel.csv", "text/csv", raw("a\u{F1}o;n\u{FA}mero;\u{80}\r\n2026;1;2\r\n")),
        Sample("excel.csv", "text/csv", utf16("año;número;€;😀\r\n", .littleEndian)),
        Sample("excel.txt", "text/plain", utf16("año\tnúmero\r\n", .bigEndian)),
        Sample("dos.log", "text/plain", raw("temperatura 20 \u{B0}C")),
        Sample("example.com", "application/pdf", raw("%PDF-1.4")),
        Sample("www.acme.com.pdf", "application/pdf", raw("%PDF-1.4")),
        Sample(
            "certificate.xml",
            "application/xml",
            raw("\u{EF}\u{BB}\u{BF}<?xml version='1.0'?>\n<dcc:certificate/>")
        ),
        Sample("certificate.xml", "application/xml", utf16("<?xml version='1.0'?><a/>", .littleEndian)),
        Sample("a.ts", "text/plain", raw("export const a = 1;\n")),
        Sample("notes.md", "text/plain", raw("# Notes\n\n<https://example.org>")),
        Sample("BMW.txt", "text/plain", raw("BM, mdat and moov")),
        Sample("1.txt", "text/plain", raw("1234moov")),
    ]

    /// What is kept as a document though it could run or show something where it is opened, or nobody knows what it is.
    static let opaque: [Sample] =
        [
            ("<!DOCTYPE html>", "a.html"), ("<svg/>", "a.svg"), ("\u{FEFF} <?xml version='1.0'?><svg/>", "a.xml"),
            ("<?xml version='1.0'?>", "a.txt"), ("<!-- x --><svg/>", "a"),
            ("<a xmlns='http://www.w3.org/1999/xhtml'/>", "a.xml"),
            ("#!/bin/sh\nrm -rf /", "a.txt"), ("%!PS-Adobe", "a.txt"), ("#EXTM3U\n", "a.m3u8"),
            ("ffconcat version 1.0", "a.txt"),
            ("@echo off", "a.bat"), ("alert(1)", "a.JS"), ("MZ\u{0}\u{3}", "a.exe"), ("\u{7F}ELF\u{2}\u{1}", "a"),
            ("a\u{0}b", "a.txt"), ("AC1032\0\0", "plano.dwg"), ("\u{1}\u{2}\u{3}", "a.bin"),
            ("\0\0\0\u{8}ftyp", "a"),
        ].map { Sample($1, "application/octet-stream", Array($0.utf8)) } + [
            Sample("a.html", "application/octet-stream", utf16("<html><script>alert(1)</script>", .littleEndian)),
            Sample("a.jar", "application/octet-stream", entry("META-INF/MANIFEST.MF")),
        ]

    /// Pictures, videos and sound of sorts that are kept as they are.
    static let kept: [Sample] = [
        Sample("a.bmp", "image/bmp", raw("BM\u{1}\0\0\0")),
        Sample("a.jxl", "image/jxl", raw("\u{FF}\n")),
        Sample("a.psd", "image/vnd.adobe.photoshop", raw("8BPS")),
        Sample("a.wmv", "video/x-ms-asf", [0x30, 0x26, 0xB2, 0x75, 0x8E, 0x66, 0xCF, 0x11]),
        Sample("a.mp4", "application/octet-stream", ftyp("what")),
    ]
    static let sounds: [Sample] = [
        Sample("a.wav", "audio/wav", raw("RIFF\0\0\0\0WAVEfmt ")),
        Sample("a.m4a", "audio/mp4", ftyp("M4A ", "isom")),
        Sample("a.ogg", "application/ogg", raw("OggS\0\0")),
    ]

    private static func utf16(_ text: String, _ order: ByteOrder) -> [UInt8] {
        ("\u{FEFF}" + text).utf16.flatMap { unit -> [UInt8] in
            let bytes = [UInt8(unit & 255), UInt8(unit >> 8)]
            return order == .littleEndian ? bytes : bytes.reversed()
        }
    }

    private enum ByteOrder {
        case littleEndian
        case bigEndian
    }

    /// The bytes of a text whose characters are all below U+0100.
    static func raw(_ text: String) -> [UInt8] {
        text.unicodeScalars.map { UInt8(clamping: $0.value) }
    }

    private static let ole = raw("\u{D0}\u{CF}\u{11}\u{E0}\u{A1}\u{B1}\u{1A}\u{E1}\0\0")
    private static let openXML = "application/vnd.openxmlformats-officedocument."
    private static let odf = "application/vnd.oasis.opendocument."

    private static func ftyp(_ major: String, _ compatible: String...) -> [UInt8] {
        raw("\0\0\0") + [UInt8(16 + 4 * compatible.count)]
            + raw("ftyp\(major)\0\0\u{2}\0\(compatible.joined())\0\0\0\u{8}mdat")
    }

    private static func packets(first: Int, length: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0xFF, count: 3 * length + 8)
        for packet in 0..<3 { bytes[first + packet * length] = 0x47 }
        return bytes
    }

    private static func entry(_ name: String, _ content: String = "content") -> [UInt8] {
        let size = [UInt8(content.utf8.count), 0, 0, 0]
        let nameSize = [UInt8(name.utf8.count), 0, 0, 0]
        let start = raw("PK\u{3}\u{4}\u{14}\0\0\0\0\0\0\0\0\0\u{1}\u{2}\u{3}\u{4}")
        return start + size + size + nameSize + raw(name + content)
    }
}
