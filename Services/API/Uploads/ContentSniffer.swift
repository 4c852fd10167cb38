import Models

/// Tells what a file is from its first bytes: a picture or a video that can be opened here, or a document, which is
/// everything else. Neither its name nor the type a client declares is believed; they only make a difference where they
/// contradict the bytes, or where several kinds of document begin alike.
enum ContentSniffer {
    /// How many of a file's first bytes decide. Fewer are the whole file.
    static let prefixBytes = 4096

    /// Decides by the first `prefixBytes` of a file. Its extension and `declaredType` (lower case) are only claims.
    ///
    /// - Throws: `emptyFile`; `contentMismatch` if it claims to be a picture or a video and is not; `itemRequired` if it
    ///   is one and `hasItem` is false.
    static func sniff(
        _ prefix: [UInt8],
        filename: Filename,
        declaredType: String?,
        hasItem: Bool
    ) throws(ContentRejection) -> Asset.Content {
        guard !prefix.isEmpty else {
            throw ContentRejection(.emptyFile, "The file is empty. Choose it again, or take it again.")
        }
        let finding = media(prefix) ?? document(prefix, fileExtension: filename.fileExtension)
        for claim in claims(filename, declaredType) where claim != finding.kind {
            let noun = claim == .image ? "picture" : "video"
            let detail = "The file is called a \(noun), but its bytes are not one. Send the original file."
            throw ContentRejection(.contentMismatch, detail)
        }
        guard hasItem || finding.kind == .document else { throw .itemRequired }
        return finding.content
    }

    /// Refuses what claims to be a picture or a video, and is not about an item, before its bytes.
    static func requireItem(for filename: Filename, declaredType: String?) throws(ContentRejection) {
        guard claims(filename, declaredType).isEmpty else { throw .itemRequired }
    }

    /// What the bytes are, before any claim is considered.
    private struct Finding {
        /// What people take it for. Pictures and videos of a sort that nothing here opens are kept as documents.
        let kind: Asset.Kind
        let content: Asset.Content

        static func media(_ kind: Asset.Kind, _ contentType: String) -> Finding {
            Finding(kind: kind, content: Asset.Content(kind: kind, contentType: contentType))
        }

        /// A file that is kept as it is; `kind` is what people take it for.
        static func document(_ contentType: String, kind: Asset.Kind = .document) -> Finding {
            Finding(kind: kind, content: Asset.Content(kind: .document, contentType: contentType))
        }
    }

    /// The type of what is not known, or could run where it is shown.
    private static let opaque = "application/octet-stream"

    /// What the name and the declared type claim, if that is a picture or a video. `.ts` and its type are no claim, which
    /// TypeScript has too; nor are types such as that of a drawing (`image/vnd.dwg`), or of markup (`image/svg+xml`).
    private static func claims(_ filename: Filename, _ declaredType: String?) -> Set<Asset.Kind> {
        var claims: Set<Asset.Kind> = []
        if imageExtensions.contains(filename.fileExtension) { claims.insert(.image) }
        if videoExtensions.contains(filename.fileExtension) { claims.insert(.video) }
        if imageTypes.contains(declaredType ?? "") { claims.insert(.image) }
        if videoTypes.contains(declaredType ?? "") { claims.insert(.video) }
        return claims
    }

    private static let imageExtensions: Set = [
        "jpg", "jpeg", "jpe", "jfif", "pjpeg", "pjp", "png", "apng", "gif", "webp", "tif", "tiff", "heic", "heics",
        "heif", "heifs", "hif", "avif", "avifs", "bmp",
    ]
    private static let videoExtensions: Set = [
        "mp4", "m4v", "f4v", "mov", "qt", "3gp", "3gpp", "3g2", "3gp2", "webm", "mkv", "avi", "mts", "m2ts", "m2t",
        "mpg", "mpeg", "mpe", "m1v", "m2v", "vob", "wmv", "flv",
    ]
    private static let imageTypes: Set = [
        "image/*", "image/jpeg", "image/jpg", "image/pjpeg", "image/png", "image/apng", "image/gif", "image/webp",
        "image/tiff", "image/heic", "image/heif", "image/heic-sequence", "image/heif-sequence", "image/avif",
        "image/bmp",
        "image/x-ms-bmp",
    ]
    private static let videoTypes: Set = [
        "video/*", "video/mp4", "video/quicktime", "video/x-m4v", "video/3gpp", "video/3gpp2", "video/webm",
        "video/x-matroska", "video/matroska", "video/x-msvideo", "video/avi", "video/mpeg", "video/x-ms-wmv",
        "video/x-flv",
    ]

    /// The usual extension of a picture or video that is opened here, or of a document; nil for other types, some of
    /// which `sniff` gives too.
    static func usualExtension(of contentType: String) -> String? {
        usualExtensions[contentType]
    }

    private static let usualExtensions = [
        "image/jpeg": "jpg", "image/png": "png", "image/gif": "gif", "image/webp": "webp", "image/tiff": "tif",
        "image/heic": "heic", "image/heic-sequence": "heics", "image/heif": "heif", "image/avif": "avif",
        "video/mp4": "mp4", "video/quicktime": "mov", "video/x-m4v": "m4v", "video/3gpp": "3gp",
        "video/3gpp2": "3g2", "video/webm": "webm", "video/x-matroska": "mkv", "video/x-msvideo": "avi",
        "video/mp2t": "ts", "video/mpeg": "mpg",
    ].merging(documentTypes.map { ($0.value, $0.key) }) { first, _ in first }
}

// MARK: - Pictures and videos

extension ContentSniffer {
    /// What these bytes begin, if a signature of pictures, videos or sound tells: of a sort that is opened here, or one
    /// that is kept as a document. Nil if none does.
    private static func media(_ bytes: [UInt8]) -> Finding? {
        if let signature = signatures.first(where: { bytes.starts(with: $0.bytes) }) { return signature.finding }
        if bytes.has("ftyp", at: 4) { return isoMedia(bytes) }
        if bytes.has("RIFF", at: 0) { return riff(bytes) }
        if bytes.starts(with: [0x1A, 0x45, 0xDF, 0xA3]) { return matroska(bytes) }
        // The signatures left are short enough to begin a text.
        guard unicode(bytes) == nil else { return nil }
        if isTransportStream(bytes) { return .media(.video, "video/mp2t") }
        guard text(bytes) == nil else { return nil }
        // Videos of old cameras begin without a file type box.
        if ["moov", "mdat", "wide", "pnot", "free", "skip"].contains(where: { bytes.has($0, at: 4) }) {
            return .media(.video, "video/quicktime")
        }
        if bytes.has("BM", at: 0) { return .document("image/bmp", kind: .image) }
        return nil
    }

    private static let signatures: [(bytes: [UInt8], finding: Finding)] = [
        ([0xFF, 0xD8, 0xFF], .media(.image, "image/jpeg")),
        ([0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A], .media(.image, "image/png")),
        (Array("GIF87a".utf8), .media(.image, "image/gif")),
        (Array("GIF89a".utf8), .media(.image, "image/gif")),
        ([0x49, 0x49, 0x2A, 0x00], .media(.image, "image/tiff")),
        ([0x4D, 0x4D, 0x00, 0x2A], .media(.image, "image/tiff")),
        ([0x49, 0x49, 0x2B, 0x00], .media(.image, "image/tiff")),
        ([0x4D, 0x4D, 0x00, 0x2B], .media(.image, "image/tiff")),
        ([0x00, 0x00, 0x01, 0xBA], .media(.video, "video/mpeg")),
        ([0x00, 0x00, 0x01, 0xB3], .media(.video, "video/mpeg")),
        ([0xFF, 0x0A], .document("image/jxl", kind: .image)),
        ([0x00, 0x00, 0x00, 0x0C, 0x4A, 0x58, 0x4C, 0x20], .document("image/jxl", kind: .image)),
        ([0x00, 0x00, 0x00, 0x0C, 0x6A, 0x50], .document("image/jp2", kind: .image)),
        (Array("8BPS".utf8), .document("image/vnd.adobe.photoshop", kind: .image)),
        ([0x00, 0x00, 0x01, 0x00], .document("image/vnd.microsoft.icon", kind: .image)),
        ([0x30, 0x26, 0xB2, 0x75, 0x8E, 0x66, 0xCF, 0x11], .document("video/x-ms-asf", kind: .video)),
        ([0x46, 0x4C, 0x56, 0x01], .document("video/x-flv", kind: .video)),
        // Most of them are sound.
        (Array("OggS\0".utf8), .document("application/ogg")),
    ]

    /// The brands of ISO 14496-12 and 23008-12: the first says what the file is, the others what it may be read as.
    private static func isoMedia(_ bytes: [UInt8]) -> Finding {
        let size = bytes.prefix(4).reduce(0) { $0 << 8 | Int($1) }
        let box = bytes.prefix(size).dropFirst(8)
        let brands = stride(from: 0, to: box.count - 3, by: 4).map { offset in
            String(decoding: box.dropFirst(offset).prefix(4), as: UTF8.self)
        }
        guard let major = brands.first else { return .document(opaque) }
        // The second word is a version number.
        let compatible = brands.dropFirst(2)
        switch major {
        case "heic", "heix", "heim", "heis": return .media(.image, "image/heic")
        case "hevc", "hevx", "hevm", "hevs": return .media(.image, "image/heic-sequence")
        case "avif", "avis": return .media(.image, "image/avif")
        case "mif1", "msf1", "mif2":
            if compatible.contains(where: { $0 == "avif" || $0 == "avis" }) { return .media(.image, "image/avif") }
            let isHEIC = compatible.contains { $0 == "heic" || $0 == "heix" }
            return .media(.image, isHEIC ? "image/heic" : "image/heif")
        case "crx ": return .document("image/x-canon-cr3", kind: .image)
        case "M4A ", "M4B ", "M4P ", "F4A ", "F4B ": return .document("audio/mp4")
        case "qt  ": return .media(.video, "video/quicktime")
        case "M4V ", "M4VH", "M4VP": return .media(.video, "video/x-m4v")
        default:
            if major.hasPrefix("3g2") { return .media(.video, "video/3gpp2") }
            if major.hasPrefix("3g") { return .media(.video, "video/3gpp") }
            // Cameras write brands of their own and say that the file may be read as MP4.
            let isMP4 = brands.contains { brand in
                ["isom", "avc1", "dash", "MSNV", "f4v ", "XAVC"].contains(brand)
                    || ["iso", "mp4"].contains(where: brand.hasPrefix)
            }
            return isMP4 ? .media(.video, "video/mp4") : .document(opaque, kind: .video)
        }
    }

    private static func riff(_ bytes: [UInt8]) -> Finding? {
        if bytes.has("WEBP", at: 8) { return .media(.image, "image/webp") }
        if bytes.has("AVI ", at: 8) { return .media(.video, "video/x-msvideo") }
        return bytes.has("WAVE", at: 8) ? .document("audio/wav") : nil
    }

    /// The document type stands in the first element of the file: identifier 0x4282, a length in one byte, a word.
    private static func matroska(_ bytes: [UInt8]) -> Finding {
        let header = bytes.prefix(128)
        for (type, contentType) in [("webm", "video/webm"), ("matroska", "video/x-matroska")] {
            let element = [0x42, 0x82, 0x80 | UInt8(type.utf8.count)] + Array(type.utf8)
            if header.indices.contains(where: { header[$0...].starts(with: element) }) {
                return .media(.video, contentType)
            }
        }
        return .document(opaque, kind: .video)
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
        if isPDF(bytes, fileExtension: fileExtension) { return .document("application/pdf") }
        if bytes.has("PK\u{03}\u{04}", at: 0) { return .document(zip(bytes, fileExtension: fileExtension)) }
        if bytes.has("PK\u{05}\u{06}", at: 0) { return .document("application/zip") }
        if bytes.starts(with: [0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1]) {
            return .document(documentTypes.only(oldOffice, fileExtension) ?? "application/x-ole-storage")
        }
        if bytes.has("{\\rtf", at: 0) { return .document("application/rtf") }
        return .document(text(bytes).map { textType(of: $0, fileExtension: fileExtension) } ?? opaque)
    }

    /// Readers look for the header in the first 1024 bytes (PDF 1.7, "Implementation Notes", 13). A text may speak of it.
    private static func isPDF(_ bytes: [UInt8], fileExtension: String) -> Bool {
        if bytes.has("%PDF-", at: 0) { return true }
        guard fileExtension == "pdf" || text(bytes) == nil else { return false }
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
        "rtf": "application/rtf",
        "txt": "text/plain",
        "csv": "text/csv",
        "json": "application/json",
        "xml": "application/xml",
    ]

    /// The type that files of an extension have; nil if there is none, or the bytes do not show it.
    static func documentType(of fileExtension: String) -> String? { documentTypes[fileExtension] }

    private static let oldOffice: Set = ["doc", "xls", "ppt", "msg"]
    private static let zippedOffice: Set = ["docx", "xlsx", "pptx", "odt", "ods", "odp"]
    private static let texts: Set = ["csv", "json"]
    /// Texts that run, or show what they like, where they are opened by their type.
    private static let programs: Set = [
        "asp", "aspx", "bat", "cmd", "css", "hta", "htm", "html", "js", "jse", "jsp", "mht", "mhtml", "mjs", "php",
        "ps1",
        "psm1", "reg", "sh", "shtml", "svg", "url", "vbe", "vbs", "wsf", "wsh", "xht", "xhtml", "xsl", "xslt",
    ]

    /// Office and OpenDocument files are ZIPs; their first entries tell them apart.
    private static func zip(_ bytes: [UInt8], fileExtension: String) -> String {
        let entries = zipEntries(bytes)
        if let first = entries.first, first.name == "mimetype" {
            let type = String(decoding: first.content, as: UTF8.self)
            return documentTypes.values.contains(type) ? type : "application/zip"
        }
        let names = entries.map(\.name)
        if names.contains(where: { $0 == "META-INF/MANIFEST.MF" || $0 == "AndroidManifest.xml" }) {
            return opaque
        }
        for (folder, type) in [("word/", "docx"), ("xl/", "xlsx"), ("ppt/", "pptx")]
        where names.contains(where: { $0.hasPrefix(folder) }) {
            return documentTypes[type] ?? "application/zip"
        }
        return documentTypes.only(zippedOffice, fileExtension) ?? "application/zip"
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

    /// The type of a text. What a browser would run is told by its beginning and by its name.
    private static func textType(of text: String, fileExtension: String) -> String {
        let start = text.drop { $0.isWhitespace || $0 == "\u{FEFF}" }
        if ["#EXTM3U", "ffconcat", "#!", "%!PS"].contains(where: start.hasPrefix) { return opaque }
        guard !programs.contains(fileExtension) else { return opaque }
        if start.first == "<", let next = start.dropFirst().first, next.isLetter || "!?/".contains(next) {
            let words = start.lowercased()
            let isShown = ["<html", "<svg", "<script", "<!doctype html", "w3.org/1999/xhtml", "w3.org/2000/svg"]
                .contains(where: words.contains)
            return isShown || fileExtension != "xml" ? opaque : "application/xml"
        }
        return documentTypes.only(texts, fileExtension) ?? "text/plain"
    }

    /// The text the bytes begin, in UTF-8, UTF-16 with its mark, or Windows-1252, as office programs write it; nil if they
    /// are none. The last character may be cut off by the prefix.
    private static func text(_ bytes: [UInt8]) -> String? {
        if let text = unicode(bytes) { return text }
        let isNone = bytes.contains { isControl(UInt16($0)) || [0x81, 0x8D, 0x8F, 0x90, 0x9D].contains($0) }
        return isNone ? nil : LegacyText.string(bytes)
    }

    private static func unicode(_ bytes: [UInt8]) -> String? {
        if bytes.starts(with: [0xFF, 0xFE]) || bytes.starts(with: [0xFE, 0xFF]) { return utf16(bytes) }
        guard !bytes.contains(where: { isControl(UInt16($0)) }) else { return nil }
        let longestCut = bytes.count < prefixBytes ? 0 : 3
        return (0...longestCut).lazy.compactMap { String(validating: bytes.dropLast($0), as: UTF8.self) }.first
    }

    private static func utf16(_ bytes: [UInt8]) -> String? {
        let isLittle = bytes[0] == 0xFF
        let units = stride(from: 2, to: bytes.count - 1, by: 2).map { index in
            isLittle
                ? UInt16(bytes[index]) | UInt16(bytes[index + 1]) << 8
                : UInt16(bytes[index]) << 8 | UInt16(bytes[index + 1])
        }
        guard bytes.count % 2 == 0, !units.contains(where: isControl) else { return nil }
        let isCut = bytes.count >= prefixBytes && units.last.map(UTF16.isLeadSurrogate) == true
        return String(validating: isCut ? units.dropLast() : units[...], as: UTF16.self)
    }

    private static func isControl(_ unit: UInt16) -> Bool {
        (unit < 0x20 && ![0x09, 0x0A, 0x0C, 0x0D].contains(unit)) || unit == 0x7F
    }
}

/// Why a file is not stored, whatever else its request brings: 422 if it is alone, 400 for its name.
struct ContentRejection: Error, Hashable {
    /// Stable names for programs.
    enum Code: String, CaseIterable, Sendable {
        case emptyFile = "empty_file"
        /// It claims to be a picture or a video, and is something else.
        case contentMismatch = "content_mismatch"
        /// The operator has not listed it.
        case unsupportedType = "unsupported_type"
        /// A picture or a video that is about no item: no gallery and no export would have it.
        case itemRequired = "item_required"
        case badFilename = "bad_filename"
    }

    let code: Code
    let detail: String

    init(_ code: Code, _ detail: String) {
        self.code = code
        self.detail = detail
    }

    fileprivate static let itemRequired = ContentRejection(
        .itemRequired,
        "Photos and videos belong to an item. Send it to /v1/items/{id}/assets, or with an item_id."
    )
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
