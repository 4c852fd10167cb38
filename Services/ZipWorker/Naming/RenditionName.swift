extension EntryNames {
    /// What a rendition is called beside its original, as the API's downloads are: “IMG_0412.HEIC” as `compressed`
    /// JPEG is “IMG_0412 compressed.jpg”.
    ///
    /// - Parameters:
    ///   - filename: The original's.
    ///   - name: The rendition's.
    ///   - contentType: The rendition's.
    /// - Returns: A label; it becomes safe as part of an entry's name.
    static func rendition(of filename: String, name: String, contentType: String) -> String {
        let stem = filename.lastIndex(of: ".").map { filename[..<$0] } ?? filename[...]
        let type = ["image/jpeg": "jpg", "video/mp4": "mp4"][contentType] ?? "bin"
        return "\(stem) \(name).\(type)"
    }
}
