import Models

/// What a client sends to learn which of its files are here already.
struct UploadCheck: Decodable {
    static let maximumFiles = 200
    /// That many files, each with a name of some length.
    static let maximumBytes = 256 << 10

    struct File: Decodable {
        let sha256: String
        let bytes: Int64?
        /// For the client's own logs and ours; the bytes alone decide.
        let filename: String?
    }

    let itemId: ItemID?
    let files: [File]

    /// The files' digests, in order.
    func digests() throws(APIError) -> [SHA256Digest] {
        guard (1...Self.maximumFiles).contains(files.count) else {
            throw .badRequest("bad_value", "The field “files” takes 1 to \(Self.maximumFiles) files.")
        }
        var digests: [SHA256Digest] = []
        for (index, file) in files.enumerated() {
            guard let digest = SHA256Digest(file.sha256) else {
                throw .badRequest("bad_value", "The field “files.\(index).sha256” is not 64 hexadecimal digits.")
            }
            digests.append(digest)
        }
        return digests
    }
}

/// The answer, in the order of the question.
struct UploadCheckResult: Encodable {
    struct File: Encodable {
        let sha256: String
        let exists: Bool
        let asset: AssetView?
    }

    let files: [File]
}
