import Foundation
import HTTPTypes

extension HTTPField.Name {
    static let tusResumable = known("Tus-Resumable")
    static let tusVersion = known("Tus-Version")
    static let tusExtension = known("Tus-Extension")
    static let tusMaxSize = known("Tus-Max-Size")
    static let tusChecksumAlgorithm = known("Tus-Checksum-Algorithm")
    static let uploadChecksum = known("Upload-Checksum")
    static let uploadConcat = known("Upload-Concat")
    static let uploadDeferLength = known("Upload-Defer-Length")
    static let uploadExpires = known("Upload-Expires")
    static let uploadMetadata = known("Upload-Metadata")

    static let uploadLength = known("Upload-Length")
    static let uploadOffset = known("Upload-Offset")

    static let uploadComplete = known("Upload-Complete")
    static let uploadDraftInteropVersion = known("Upload-Draft-Interop-Version")
    static let uploadIncomplete = known("Upload-Incomplete")
    static let uploadLimit = known("Upload-Limit")

    static let acceptPatch = known("Accept-Patch")
    static let forwardedProtocol = known("X-Forwarded-Proto")
    static let methodOverride = known("X-HTTP-Method-Override")
}

extension HTTPFields {
    /// A number of bytes: digits and nothing else.
    ///
    /// - Returns: The number; nil if the header is not there.
    /// - Throws: The code, for anything else: a sign, an exponent, a base.
    func bytes(_ name: HTTPField.Name, orThrow code: String) throws(APIError) -> Int64? {
        guard let text = self[name] else { return nil }
        guard !text.isEmpty, text.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
            let number = Int64(text)
        else { throw .badRequest(code, "\(name.rawName) is a number of bytes in decimal digits.") }
        return number
    }

    /// A structured boolean (RFC 9651, 3.3.6); nil for anything else, as the draft asks.
    func boolean(_ name: HTTPField.Name) -> Bool? {
        switch self[name]?.prefix(while: { $0 != ";" }) {
        case "?1": true
        case "?0": false
        default: nil
        }
    }

    /// The media type of the body, in lower case and without parameters.
    var mediaType: String? {
        self[.contentType]?.prefix { $0 != ";" && $0 != " " }.lowercased()
    }
}
