import Foundation
import Models

@testable import API

/// What is promised about a file's name and first bytes. An input is a name, a line break, the declared type, a line
/// break, and the bytes.
enum ContentPromises {
    /// Types that run, or show what they like, where a browser opens them.
    private static let programs: Set = [
        "text/html", "application/xhtml+xml", "image/svg+xml", "text/javascript", "application/javascript", "text/css",
        "text/xml",
    ]

    static func check(_ input: [UInt8]) throws(BrokenPromise) {
        let (name, afterName) = input.firstLine
        let (type, bytes) = afterName.firstLine
        try checkName(name)
        try checkHeaders(name, type)
        let prefix = Array(bytes.prefix(ContentSniffer.prefixBytes))
        try checkContent(prefix, Filename(showing: name), declaredType: type.isEmpty ? nil : HeaderValue.main(of: type))
        try checkCutText(prefix)
    }

    // MARK: - Names

    private static func checkName(_ name: [UInt8]) throws(BrokenPromise) {
        let shown = Filename(showing: name).label
        try checkLabel(shown)
        try refusable {
            let label = try Filename(cleaning: name).label
            try require(label == shown, "\(label) is shown as \(shown)")
        }
        try refusable { try checkLabel(try Filename(percentEncoded: String(decoding: name, as: UTF8.self)).label) }
    }

    /// The name as it stands in headers: in those of a request, of a part, and with its encoded words.
    private static func checkHeaders(_ name: [UInt8], _ type: [UInt8]) throws(BrokenPromise) {
        try refusable {
            let value = try HeaderValue(parsing: name)
            for name in [value.filename, value.formFilename].compactMap(\.self) {
                try checkLabel(Filename(showing: name).label)
            }
        }
        try refusable {
            let block = Array("Content-Disposition: ".utf8) + name + Array("\r\nContent-Type: ".utf8) + type
            let headers = try MultipartHeaders(parsing: block + Array("\r\n".utf8))
            try checkLabel(Filename(showing: headers.filename ?? []).label)
        }
    }

    /// A label is one component of a path that everything takes, and comes through headers and paths as it is.
    static func checkLabel(_ label: String) throws(BrokenPromise) {
        try require(label.utf8.count <= Filename.maximumBytes, "\(label) has \(label.utf8.count) bytes")
        let forbidden = label.unicodeScalars.first { scalar in
            scalar == "/" || scalar == "\\" || scalar.properties.generalCategory == .control
        }
        try require(forbidden == nil, "\(label.debugDescription) has \(String(describing: forbidden))")
        try require(label.last.map { $0 != "." && !$0.isWhitespace } ?? true, "\(label.debugDescription) ends so")
        try requireSame(Array(Filename(showing: label.utf8).label.utf8), label, "cleaned again")
        let encoded = label.utf8.map { "%" + Hexadecimal.encode([$0]) }.joined()
        let decoded = try accepted(encoded) { try Filename(percentEncoded: encoded).label }
        try requireSame(Array(decoded.utf8), label, "in a path")
        let header = StoredFileResponder.contentDisposition(.attachment, filename: label)
        try require(header.utf8.allSatisfy { (0x20..<0x7F).contains($0) }, "\(header) is no header")
        let value = try accepted(header) { try HeaderValue(parsing: Array(header.utf8)) }
        try require(value.value == "attachment", "\(header) is read as \(value.value)")
        try requireSame(value.filename ?? [], label, "in \(header)")
    }

    /// Reads what we have written ourselves, which is never refused.
    private static func accepted<Value>(_ written: String, _ body: () throws -> Value) throws(BrokenPromise) -> Value {
        do {
            return try body()
        } catch {
            throw BrokenPromise(description: "\(written) is refused: \(error)")
        }
    }

    private static func requireSame(_ found: [UInt8], _ label: String, _ place: String) throws(BrokenPromise) {
        let text = String(decoding: found, as: UTF8.self)
        try require(found == Array(label.utf8), "\(label.debugDescription) is \(text.debugDescription) \(place)")
    }

    // MARK: - Bytes

    private static func checkContent(_ prefix: [UInt8], _ filename: Filename, declaredType: String?)
        throws(BrokenPromise)
    {
        let bare = sniff(prefix, Filename(label: ""), nil)
        let claimed = sniff(prefix, filename, declaredType)
        for (outcome, isClaimed) in [(bare, false), (claimed, true)] {
            switch outcome {
            case .success(let content): try checkType(content)
            case .failure(let rejection):
                let isExpected = rejection.code == .emptyFile ? prefix.isEmpty : isClaimed
                try require(isExpected && rejection.code != .itemRequired, "\(rejection)")
            }
        }
        if case .success(let content) = claimed, case .success(let unclaimed) = bare {
            try require(content.kind == unclaimed.kind, "\(content) becomes \(unclaimed) without its name")
            try require(content.kind == .document || content == unclaimed, "\(content), \(unclaimed) without its name")
            try checkLabel(filename.label(for: content.contentType))
        }
        let alone = sniff(prefix, filename, declaredType, hasItem: false)
        if case .success(let content) = alone {
            try require(content.kind == .document && alone == claimed, "\(content) needs no item")
        }
        let isUnclaimed = Result { () throws(ContentRejection) in
            try ContentSniffer.requireItem(for: filename, declaredType: declaredType)
        }
        if case .success = isUnclaimed, case .failure(let rejection) = claimed {
            try require(rejection.code == .emptyFile, "\(rejection), though nothing is claimed")
        }
    }

    private static func checkType(_ content: Asset.Content) throws(BrokenPromise) {
        let type = content.contentType
        try require(!programs.contains(type), "\(type) runs where it is opened")
        try require(content.kind != .image || type.hasPrefix("image/"), "\(content) is no picture")
        try require(content.kind != .video || type.hasPrefix("video/"), "\(content) is no video")
    }

    /// Where the signatures of all files end, in bytes.
    private static let signatureBytes = 16

    /// A longer text with this beginning, of which only the first bytes are looked at, is a text as well: the end of the
    /// prefix may cut a character in two.
    private static func checkCutText(_ bytes: [UInt8]) throws(BrokenPromise) {
        guard case .success(let content) = sniff(bytes, Filename(label: ""), nil), content.contentType == "text/plain",
            (signatureBytes..<ContentSniffer.prefixBytes).contains(bytes.count),
            String(validating: bytes, as: UTF8.self) != nil
        else { return }
        var long = bytes
        while long.count < ContentSniffer.prefixBytes { long += bytes }
        let found = sniff(Array(long.prefix(ContentSniffer.prefixBytes)), Filename(label: ""), nil)
        try require(found == .success(content), "\(content) becomes \(found) when there is more of it")
    }

    private static func sniff(
        _ prefix: [UInt8],
        _ filename: Filename,
        _ declaredType: String?,
        hasItem: Bool = true
    ) -> Result<Asset.Content, ContentRejection> {
        Result { () throws(ContentRejection) in
            try ContentSniffer.sniff(prefix, filename: filename, declaredType: declaredType, hasItem: hasItem)
        }
    }
}
