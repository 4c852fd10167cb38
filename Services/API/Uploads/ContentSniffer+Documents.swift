import Models

extension ContentSniffer {
    /// What these bytes are if they are neither picture nor film.
    static func document(_ bytes: [UInt8], fileExtension: String) -> Finding {
        let finding =
            if bytes.has("%PDF-", at: 0) {
                Finding.accepted(.document, "application/pdf")
            } else if bytes.has("PK\u{03}\u{04}", at: 0) {
                zip(bytes, fileExtension: fileExtension)
            } else if bytes.has("PK\u{05}\u{06}", at: 0) {
                Finding.accepted(.document, "application/zip")
            } else if bytes.starts(with: [0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1]) {
                Finding.accepted(.document, documentTypes.only(oldOffice, fileExtension) ?? "application/x-ole-storage")
            } else if bytes.has("{\\rtf", at: 0) {
                Finding.accepted(.document, "application/rtf")
            } else {
                text(bytes, fileExtension: fileExtension)
            }
        // What runs when it is opened is not handed on, whatever it looks like.
        if case .accepted = finding, programs.contains(fileExtension) { return .refused(nil, "Programs") }
        return finding
    }

    /// The media type of an extension, where the bytes leave it open.
    static let documentTypes = [
        "pdf": "application/pdf",
        "zip": "application/zip",
        "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        "odt": "application/vnd.oasis.opendocument.text",
        "ods": "application/vnd.oasis.opendocument.spreadsheet",
        "odp": "application/vnd.oasis.opendocument.presentation",
        "doc": "application/msword",
        "xls": "application/vnd.ms-excel",
        "ppt": "application/vnd.ms-powerpoint",
        "msg": "application/vnd.ms-outlook",
        "csv": "text/csv",
        "json": "application/json",
    ]

    private static let oldOffice: Set = ["doc", "xls", "ppt", "msg"]
    private static let zippedOffice: Set = ["docx", "xlsx", "pptx", "odt", "ods", "odp"]
    private static let texts: Set = ["csv", "json"]
    private static let programs: Set = [
        "apk", "app", "asp", "aspx", "bat", "cmd", "com", "cpl", "exe", "hta", "htm", "html", "jar", "js", "jse", "jsp",
        "lnk", "mjs", "msi", "msp", "php", "ps1", "psm1", "reg", "scr", "sh", "svg", "url", "vbe", "vbs", "wsf", "wsh",
        "xhtml",
    ]

    /// Office and OpenDocument files are ZIPs; their first entries tell them apart.
    private static func zip(_ bytes: [UInt8], fileExtension: String) -> Finding {
        let entries = zipEntries(bytes)
        if let first = entries.first, first.name == "mimetype" {
            let type = String(decoding: first.content, as: UTF8.self)
            return .accepted(.document, documentTypes.values.contains(type) ? type : "application/zip")
        }
        let names = entries.map(\.name)
        if names.contains(where: { $0 == "META-INF/MANIFEST.MF" || $0 == "AndroidManifest.xml" }) {
            return .refused(nil, "Programs")
        }
        for (folder, type) in [("word/", "docx"), ("xl/", "xlsx"), ("ppt/", "pptx")]
        where names.contains(where: { $0.hasPrefix(folder) }) {
            return .accepted(.document, documentTypes[type] ?? "application/zip")
        }
        return .accepted(.document, documentTypes.only(zippedOffice, fileExtension) ?? "application/zip")
    }

    /// The entries whose local headers (APPNOTE 4.3.7) lie in these bytes, found by signature: the sizes in them may
    /// be missing. The content is that of an entry that is stored as it is, as far as it is there.
    private static func zipEntries(_ bytes: [UInt8]) -> [(name: String, content: ArraySlice<UInt8>)] {
        func number(at offset: Int) -> Int { Int(bytes[offset]) | Int(bytes[offset + 1]) << 8 }
        return bytes.indices.dropLast(30).filter { bytes.has("PK\u{03}\u{04}", at: $0) }.map { start in
            let name = bytes.dropFirst(start + 30).prefix(number(at: start + 26))
            let size = number(at: start + 18) | number(at: start + 20) << 16
            let content = bytes.dropFirst(start + 30 + number(at: start + 26) + number(at: start + 28)).prefix(size)
            return (String(decoding: name, as: UTF8.self), content)
        }
    }

    private static func text(_ bytes: [UInt8], fileExtension: String) -> Finding {
        guard isText(bytes) else { return .refused(nil, "Files of this sort") }
        let hasMark = bytes.starts(with: [0xEF, 0xBB, 0xBF])
        let start = bytes.dropFirst(hasMark ? 3 : 0).drop { $0 == 0x20 || (0x09...0x0D).contains($0) }
        if start.first == UInt8(ascii: "<"), let next = start.dropFirst().first,
            Character(Unicode.Scalar(next)).isLetter || "!?/".utf8.contains(next)
        {
            return .refused(nil, "Web pages, SVG and XML")
        }
        let opening = String(decoding: start.prefix(8), as: UTF8.self)
        if ["#EXTM3U", "ffconcat"].contains(where: opening.hasPrefix) { return .refused(nil, "Playlists") }
        if ["#!", "%!PS"].contains(where: opening.hasPrefix) { return .refused(nil, "Programs") }
        return .accepted(.document, documentTypes.only(texts, fileExtension) ?? "text/plain")
    }

    /// Whether the bytes are UTF-8 without control characters; the last character may be cut off by the prefix.
    static func isText(_ bytes: [UInt8]) -> Bool {
        let hasControls = bytes.contains { byte in
            (byte < 0x20 && ![0x09, 0x0A, 0x0C, 0x0D].contains(byte)) || byte == 0x7F
        }
        guard !hasControls else { return false }
        let longestCut = bytes.count < prefixBytes ? 0 : 3
        return (0...longestCut).contains { String(validating: bytes.dropLast($0), as: UTF8.self) != nil }
    }
}

extension [String: String] {
    /// The value of a key that is one of a few.
    fileprivate func only(_ keys: Set<String>, _ key: String) -> String? {
        keys.contains(key) ? self[key] : nil
    }
}
