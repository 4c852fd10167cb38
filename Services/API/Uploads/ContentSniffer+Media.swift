import Models

extension ContentSniffer {
    /// The picture or film these bytes begin, of a sort that is taken or not; nil if they begin neither.
    static func media(_ bytes: [UInt8]) -> Finding? {
        if let signature = signatures.first(where: { bytes.starts(with: $0.bytes) }) { return signature.finding }
        if bytes.has("ftyp", at: 4) { return isoMedia(bytes) }
        if bytes.has("RIFF", at: 0) { return riff(bytes) }
        if bytes.starts(with: [0x1A, 0x45, 0xDF, 0xA3]) { return matroska(bytes) }
        // The signatures left are short enough to begin a text.
        guard !isText(bytes) else { return nil }
        if isTransportStream(bytes) { return .accepted(.video, "video/mp2t") }
        // Films of old cameras begin without a file type box.
        if ["moov", "mdat", "wide", "pnot"].contains(where: { bytes.has($0, at: 4) }) {
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
        ([0x46, 0x4C, 0x56, 0x01], .refused(.video, "Flash films")),
        (Array("OggS\0".utf8), .refused(.video, "Ogg files")),
    ]

    /// The brands of ISO 14496-12 and 23008-12: the first says what the file is, the others what it may be read as.
    private static func isoMedia(_ bytes: [UInt8]) -> Finding {
        let size = bytes.prefix(4).reduce(0) { $0 << 8 | Int($1) }
        let box = bytes.prefix(size).dropFirst(8)
        let brands = stride(from: 0, to: box.count - 3, by: 4).map { offset in
            String(decoding: box.dropFirst(offset).prefix(4), as: UTF8.self)
        }
        guard let major = brands.first else { return .refused(.video, "Damaged films") }
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

extension [UInt8] {
    /// Whether some ASCII stands at an offset.
    func has(_ text: String, at offset: Int) -> Bool {
        dropFirst(offset).starts(with: text.utf8)
    }
}
