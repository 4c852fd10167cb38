import Models

/// Tells what a file is from its first bytes. Neither its name nor the type a client declares is believed; they
/// only make a difference where they contradict the bytes, or where several kinds of document begin alike.
enum ContentSniffer {
    /// How many of a file's first bytes decide. Fewer are the whole file.
    static let prefixBytes = 4096

    /// Decides by the first `prefixBytes` of a file. Its extension and `declaredType` (lower case) are only claims.
    ///
    /// - Throws: `emptyFile`; `contentMismatch` if it claims to be a picture or a video and is not; `unsupportedType`
    ///   if it is nothing Tolva keeps.
    static func sniff(
        _ prefix: [UInt8],
        filename: Filename,
        declaredType: String?
    ) throws(ContentRejection) -> Asset.Content {
        guard !prefix.isEmpty else {
            throw ContentRejection(.emptyFile, "The file is empty. Choose it again, or take it again.")
        }
        let finding = media(prefix) ?? document(prefix, fileExtension: filename.fileExtension)
        for claim in claims(fileExtension: filename.fileExtension, declaredType: declaredType ?? "")
        where claim != finding.kind {
            let noun = claim == .image ? "picture" : "video"
            let detail = "The file is called a \(noun), but its bytes are not one. Send the original file."
            throw ContentRejection(.contentMismatch, detail)
        }
        switch finding {
        case .accepted(let kind, let contentType):
            return Asset.Content(kind: kind, contentType: contentType)
        case .refused(_, let noun):
            throw ContentRejection(.unsupportedType, "\(noun) cannot be stored. Send \(Self.acceptable).")
        }
    }

    /// What the bytes are, before any claim is considered.
    private enum Finding {
        case accepted(Asset.Kind, String)
        /// With its plural for people, and its kind if it is a picture or a video of a sort that is not taken.
        case refused(Asset.Kind?, String)

        var kind: Asset.Kind? {
            switch self {
            case .accepted(let kind, _): kind
            case .refused(let kind, _): kind
            }
        }
    }

    private static let acceptable =
        "a JPEG, PNG, GIF, WebP, TIFF, HEIC or AVIF picture, an MP4, MOV, WebM, MKV, AVI or MPEG video, "
        + "a PDF, an Office or OpenDocument file, a ZIP, or text in UTF-8"

    /// What the name and the declared type claim, if that is a picture or a video. SVG is neither: it is markup.
    private static func claims(fileExtension: String, declaredType: String) -> Set<Asset.Kind> {
        var claims: Set<Asset.Kind> = []
        if imageExtensions.contains(fileExtension) { claims.insert(.image) }
        if videoExtensions.contains(fileExtension) { claims.insert(.video) }
        if declaredType.hasPrefix("image/"), declaredType != "image/svg+xml" { claims.insert(.image) }
        if declaredType.hasPrefix("video/") { claims.insert(.video) }
        return claims
    }

    private static let imageExtensions: Set = [
        "jpg", "jpeg", "jpe", "jfif", "png", "gif", "webp", "tif", "tiff", "heic", "heif", "hif", "avif", "bmp",
    ]
    private static let videoExtensions: Set = [
        "mp4", "m4v", "mov", "qt", "3gp", "3g2", "webm", "mkv", "avi", "ts", "mts", "m2ts", "mpg", "mpeg", "mpe",
        "vob", "wmv", "flv",
    ]

    /// The usual extension of a type that `sniff` gives; nil for any other.
    static func usualExtension(of contentType: String) -> String? {
        usualExtensions[contentType]
    }

    private static let usualExtensions = [
        "image/jpeg": "jpg", "image/png": "png", "image/gif": "gif", "image/webp": "webp", "image/tiff": "tif",
        "image/heic": "heic", "image/heic-sequence": "heics", "image/heif": "heif", "image/avif": "avif",
        "video/mp4": "mp4", "video/quicktime": "mov", "video/x-m4v": "m4v", "video/3gpp": "3gp",
        "video/3gpp2": "3g2", "video/webm": "webm", "video/x-matroska": "mkv", "video/x-msvideo": "avi",
        "video/mp2t": "ts", "video/mpeg": "mpg", "application/rtf": "rtf", "text/plain": "txt",
    ].merging(documentTypes.map { ($0.value, $0.key) }) { first, _ in first }
}

// MARK: - Pictures and videos

extension ContentSniffer {
    /// The picture or video these bytes begin, of a sort that is taken or not; nil if they begin neither.
    private static func media(_ bytes: [UInt8]) -> Finding? {
        if let signature = signatures.first(where: { bytes.starts(with: $0.bytes) }) { return signature.finding }
        if bytes.has("ftyp", at: 4) { return isoMedia(bytes) }
        if bytes.has("RIFF", at: 0) { return riff(bytes) }
        if bytes.starts(with: [0x1A, 0x45, 0xDF, 0xA3]) { return matroska(bytes) }
        // The signatures left are short enough to begin a text.
        guard !isText(bytes) else { return nil }
        if isTransportStream(bytes) { return .accepted(.video, "video/mp2t") }
        // Videos of old cameras begin without a file type box.
        if ["moov", "mdat", "wide", "pnot", "free", "skip"].contains(where: { bytes.has($0, at: 4) }) {
            return .accepted(.video, "video/quicktime")
        }
        if bytes.has("BM", at: 0) { return .refused(.image, "BMP pictures") }
        return nil
    }

    private static let signatures: [(bytes: [UInt8], finding: Finding)] = [
        ([0xFF, 0xD8, 0xFF], .accepted(.image, "image/jpeg")),
        ([0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A], .accepted(.image, "image/png")),
        (Array("GIF87a".utf8), .accepted(.image, "image/gif")),
        (Array("GIF89a".utf8), .accepted(.image, "image/gif")),
        ([0x49, 0x49, 0x2A, 0x00], .accepted(.image, "image/tiff")),
        ([0x4D, 0x4D, 0x00, 0x2A], .accepted(.image, "image/tiff")),
        ([0x49, 0x49, 0x2B, 0x00], .accepted(.image, "image/tiff")),
        ([0x4D, 0x4D, 0x00, 0x2B], .accepted(.image, "image/tiff")),
        ([0x00, 0x00, 0x01, 0xBA], .accepted(.video, "video/mpeg")),
        ([0x00, 0x00, 0x01, 0xB3], .accepted(.video, "video/mpeg")),
        ([0xFF, 0x0A], .refused(.image, "JPEG XL pictures")),
        ([0x00, 0x00, 0x00, 0x0C, 0x4A, 0x58, 0x4C, 0x20], .refused(.image, "JPEG XL pictures")),
        ([0x00, 0x00, 0x00, 0x0C, 0x6A, 0x50], .refused(.image, "JPEG 2000 pictures")),
        (Array("8BPS".utf8), .refused(.image, "Photoshop files")),
        ([0x00, 0x00, 0x01, 0x00], .refused(.image, "Icons")),
        ([0x30, 0x26, 0xB2, 0x75, 0x8E, 0x66, 0xCF, 0x11], .refused(.video, "Windows Media files")),
        ([0x46, 0x4C, 0x56, 0x01], .refused(.video, "Flash videos")),
        (Array("OggS\0".utf8), .refused(.video, "Ogg files")),
    ]

    /// The brands of ISO 14496-12 and 23008-12: the first says what the file is, the others what it may be read as.
    private static func isoMedia(_ bytes: [UInt8]) -> Finding {
        let size = bytes.prefix(4).reduce(0) { $0 << 8 | Int($1) }
        let box = bytes.prefix(size).dropFirst(8)
        let brands = stride(from: 0, to: box.count - 3, by: 4).map { offset in
            String(decoding: box.dropFirst(offset).prefix(4), as: UTF8.self)
        }
        guard let major = brands.first else { return .refused(.video, "Damaged videos") }
        // The second word is a version number.
        let compatible = brands.dropFirst(2)
        switch major {
        case "heic", "heix", "heim", "heis": return .accepted(.image, "image/heic")
        case "hevc", "hevx", "hevm", "hevs": return .accepted(.image, "image/heic-sequence")
        case "avif", "avis": return .accepted(.image, "image/avif")
        case "mif1", "msf1", "mif2":
            if compatible.contains(where: { $0 == "avif" || $0 == "avis" }) { return .accepted(.image, "image/avif") }
            let isHEIC = compatible.contains { $0 == "heic" || $0 == "heix" }
            return .accepted(.image, isHEIC ? "image/heic" : "image/heif")
        case "crx ": return .refused(.image, "Raw pictures")
        case "M4A ", "M4B ", "M4P ", "F4A ", "F4B ": return .refused(nil, "Sound files")
        case "qt  ": return .accepted(.video, "video/quicktime")
        case "M4V ", "M4VH", "M4VP": return .accepted(.video, "video/x-m4v")
        default:
            if major.hasPrefix("3g2") { return .accepted(.video, "video/3gpp2") }
            if major.hasPrefix("3g") { return .accepted(.video, "video/3gpp") }
            // Cameras write brands of their own and say that the file may be read as MP4.
            let isMP4 = brands.contains { brand in
                ["isom", "avc1", "dash", "MSNV", "f4v ", "XAVC"].contains(brand)
                    || ["iso", "mp4"].contains(where: brand.hasPrefix)
            }
            return isMP4 ? .accepted(.video, "video/mp4") : .refused(.video, "Files of this sort")
        }
    }

    private static func riff(_ bytes: [UInt8]) -> Finding? {
        if bytes.has("WEBP", at: 8) { return .accepted(.image, "image/webp") }
        if bytes.has("AVI ", at: 8) { return .accepted(.video, "video/x-msvideo") }
        return bytes.has("WAVE", at: 8) ? .refused(nil, "Sound files") : nil
    }

    /// The document type stands in the first element of the file: identifier 0x4282, a length in one byte, a word.
    private static func matroska(_ bytes: [UInt8]) -> Finding {
        let header = bytes.prefix(128)
        for (type, contentType) in [("webm", "video/webm"), ("matroska", "video/x-matroska")] {
            let element = [0x42, 0x82, 0x80 | UInt8(type.utf8.count)] + Array(type.utf8)
            if header.indices.contains(where: { header[$0...].starts(with: element) }) {
                return .accepted(.video, contentType)
            }
        }
        return .refused(.video, "Matroska files of this sort")
    }

    /// Packets of 188 bytes that begin with 0x47, or of 192 with a time code before it.
    private static func isTransportStream(_ bytes: [UInt8]) -> Bool {
        [(0, 188), (4, 192)].contains { first, length in
            (0..<3).allSatisfy { packet in
                let index = first + packet * length
                return index < bytes.count && bytes[index] == 0x47
            }
        }
    }
}

// MARK: - Documents

extension ContentSniffer {
    /// What these bytes are if they are neither picture nor video.
    private static func document(_ bytes: [UInt8], fileExtension: String) -> Finding {
        let finding =
            if isPDF(bytes, fileExtension: fileExtension) {
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

    /// Readers look for the header in the first 1024 bytes (PDF 1.7, "Implementation Notes", 13). A text may speak of it.
    private static func isPDF(_ bytes: [UInt8], fileExtension: String) -> Bool {
        if bytes.has("%PDF-", at: 0) { return true }
        guard fileExtension == "pdf" || !isText(bytes) else { return false }
        return bytes.prefix(1024).indices.contains { bytes.has("%PDF-", at: $0) }
    }

    /// The media type of an extension, where the bytes leave it open.
    private static let documentTypes = [
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
    private static func isText(_ bytes: [UInt8]) -> Bool {
        let hasControls = bytes.contains { byte in
            (byte < 0x20 && ![0x09, 0x0A, 0x0C, 0x0D].contains(byte)) || byte == 0x7F
        }
        guard !hasControls else { return false }
        let longestCut = bytes.count < prefixBytes ? 0 : 3
        return (0...longestCut).contains { String(validating: bytes.dropLast($0), as: UTF8.self) != nil }
    }
}

/// Why a file is not stored, whatever else its request brings: 422 if it is alone, 400 for its name.
struct ContentRejection: Error, Hashable {
    /// Stable names for programs.
    enum Code: String, CaseIterable, Sendable {
        case emptyFile = "empty_file"
        /// It claims to be a picture or a video, and is something else.
        case contentMismatch = "content_mismatch"
        case unsupportedType = "unsupported_type"
        case badFilename = "bad_filename"
    }

    let code: Code
    let detail: String

    init(_ code: Code, _ detail: String) {
        self.code = code
        self.detail = detail
    }
}

extension [UInt8] {
    /// Whether some ASCII stands at an offset.
    fileprivate func has(_ text: String, at offset: Int) -> Bool {
        dropFirst(offset).starts(with: text.utf8)
    }
}

extension [String: String] {
    /// The value of a key that is one of a few.
    fileprivate func only(_ keys: Set<String>, _ key: String) -> String? {
        keys.contains(key) ? self[key] : nil
    }
}

extension Filename {
    /// The letters after the last dot, in lower case; empty if there is no dot, or nothing before or behind it.
    var fileExtension: String {
        guard let dot = label.lastIndex(of: "."), dot > label.startIndex else { return "" }
        return label[label.index(after: dot)...].lowercased()
    }
}
