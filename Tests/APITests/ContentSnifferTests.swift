import Models
import Testing

@testable import API

@Suite("What a file is")
struct ContentSnifferTests {
    private static func sniff(_ bytes: [UInt8], _ name: String = "", _ type: String? = nil) throws -> Asset.Content {
        try ContentSniffer.sniff(bytes, filename: Filename(cleaning: Array(name.utf8)), declaredType: type)
    }

    private static func code(_ bytes: [UInt8], _ name: String = "", _ type: String? = nil) -> ContentRejection.Code? {
        do {
            _ = try sniff(bytes, name, type)
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
        arguments: Sample.documents
    )
    func documents(sample: Sample) throws {
        let content = try Self.sniff(sample.bytes, sample.name)
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
        "Markup, programs, playlists, sound and binary data are not stored",
        arguments: [
            ("<!DOCTYPE html>", "a.html"), ("<svg/>", "a.svg"), ("\u{FEFF} <?xml version='1.0'?>", "a.xml"),
            ("<!-- x --><svg/>", "a"), ("#!/bin/sh\nrm -rf /", "a.txt"), ("%!PS-Adobe", "a.txt"),
            ("#EXTM3U\n", "a.m3u8"), ("ffconcat version 1.0", "a.txt"), ("@echo off", "a.bat"), ("alert(1)", "a.JS"),
            ("MZ\u{0}\u{3}", "a.exe"), ("\u{7F}ELF\u{2}\u{1}", "a"), ("a\u{0}b", "a.txt"),
            ("RIFF\0\0\0\0WAVEfmt ", "a.wav"),
            ("\0\0\0\u{14}ftypM4A \0\0\0\0isom", "a.m4a"), ("BM\u{1}\0\0\0", "a.bmp"), ("OggS\0\0", "a.ogg"),
        ]
    )
    func unsupported(text: String, name: String) {
        #expect(Self.code(Array(text.utf8), name) == .unsupportedType)
    }

    @Test("An SVG that says it is one is unsupported rather than mismatched")
    func honestSVG() {
        #expect(Self.code(Array("<svg/>".utf8), "a.svg", "image/svg+xml") == .unsupportedType)
    }

    @Test("An empty file is refused as such")
    func empty() {
        #expect(Self.code([], "a.jpg", "image/jpeg") == .emptyFile)
    }

    @Test("A character cut in two by the end of the prefix is still text, one cut by the end of the file is not")
    func cutCharacter() throws {
        let prefix = Array(repeating: UInt8(ascii: "a"), count: ContentSniffer.prefixBytes - 2) + [0xE2, 0x82]
        #expect(try Self.sniff(prefix, "a.txt").contentType == "text/plain")
        #expect(Self.code([0x61, 0xE2, 0x82], "a.txt") == .unsupportedType)
    }

    @Test("Random bytes and cut samples never trap")
    func fuzz() {
        var random = SeededRandom(seed: 4)
        for sample in Sample.media + Sample.documents {
            for length in 0...min(sample.bytes.count, 96) {
                _ = Self.code(Array(sample.bytes.prefix(length)), "a.docx")
            }
            for _ in 0..<50 {
                var bytes = sample.bytes
                for _ in 0..<3 {
                    bytes[Int.random(in: 0..<bytes.count, using: &random)] = .random(in: 0...255, using: &random)
                }
                _ = Self.code(bytes, "a.xlsx", "video/mp4")
            }
        }
    }
}
