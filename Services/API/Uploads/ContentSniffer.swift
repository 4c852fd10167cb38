import Models

/// Tells what a file is from its first bytes. Neither its name nor the type a client declares is believed; they
/// only make a difference where they contradict the bytes, or where several kinds of document begin alike.
enum ContentSniffer {
    /// How many of a file's first bytes decide. Fewer are the whole file.
    static let prefixBytes = 4096

    /// Looks at the first `prefixBytes` of a file.
    ///
    /// - Parameters:
    ///   - prefix: The first bytes; all of them if there are fewer.
    ///   - filename: Its extension is a claim.
    ///   - declaredType: The part's `Content-Type`, in lower case; a claim as well.
    /// - Returns: What it is.
    /// - Throws: `emptyFile`; `contentMismatch` if it claims to be a picture or a film and is not;
    ///   `unsupportedType` if it is nothing Tolva keeps.
    static func sniff(
        _ prefix: [UInt8],
        filename: Filename,
        declaredType: String?
    ) throws(ContentRejection) -> SniffedContent {
        guard !prefix.isEmpty else {
            throw ContentRejection(.emptyFile, "The file is empty. Choose it again, or take it again.")
        }
        let finding = media(prefix) ?? document(prefix, fileExtension: filename.fileExtension)
        for claim in claims(fileExtension: filename.fileExtension, declaredType: declaredType ?? "")
        where claim != finding.kind {
            let noun = claim == .image ? "picture" : "film"
            let detail = "The file is called a \(noun), but its bytes are not one. Send the original file."
            throw ContentRejection(.contentMismatch, detail)
        }
        switch finding {
        case .accepted(let kind, let contentType):
            return SniffedContent(kind: kind, contentType: contentType)
        case .refused(_, let noun):
            throw ContentRejection(.unsupportedType, "\(noun) cannot be stored. Send \(Self.acceptable).")
        }
    }

    private static let acceptable =
        "a JPEG, PNG, GIF, WebP, TIFF, HEIC or AVIF picture, an MP4, MOV, WebM, MKV, AVI or MPEG film, "
        + "a PDF, an Office or OpenDocument file, a ZIP, or text in UTF-8"

    /// What the name and the declared type say, as far as it is a picture or a film. SVG is neither: it is markup.
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

/// What a file is, told by its bytes.
struct SniffedContent: Hashable, Sendable {
    /// What is done with it.
    let kind: Asset.Kind
    /// Its media type.
    let contentType: String
}

/// A file that is not stored.
struct ContentRejection: Error, Hashable {
    /// Stable names for programs.
    enum Code: String, CaseIterable, Sendable {
        /// No byte at all.
        case emptyFile = "empty_file"
        /// It claims to be a picture or a film, and is something else.
        case contentMismatch = "content_mismatch"
        /// Nothing Tolva keeps.
        case unsupportedType = "unsupported_type"
    }

    /// For programs.
    let code: Code
    /// For people.
    let detail: String

    /// Makes the error.
    init(_ code: Code, _ detail: String) {
        self.code = code
        self.detail = detail
    }
}

extension ContentSniffer {
    /// What the bytes are, before it is asked what they claim to be.
    enum Finding: Equatable {
        case accepted(Asset.Kind, String)
        /// With its plural for people, and its kind if it is a picture or a film of a sort that is not taken.
        case refused(Asset.Kind?, String)

        var kind: Asset.Kind? {
            switch self {
            case .accepted(let kind, _): kind
            case .refused(let kind, _): kind
            }
        }
    }
}
