import Foundation

/// One component of a path that Windows, macOS and Linux all take, as people see it, and that none takes for
/// anything but a name.
struct SafeName {
    /// All before the extension.
    let stem: String
    /// With its dot; empty if there is none.
    let fileExtension: String

    private let limit: Int

    /// The whole name.
    var text: String { stem + fileExtension }

    /// A folder's name: a dot in it begins no extension.
    ///
    /// - Parameters:
    ///   - label: Whatever people wrote.
    ///   - limit: Its length at most, in bytes of UTF-8.
    init(folder label: String, limit: Int) {
        self.init(NameCleaning.component(label) ?? "item", extensionBytes: 0, limit: limit)
    }

    /// A file's name.
    ///
    /// - Parameters:
    ///   - label: Whatever people wrote.
    ///   - limit: Its length at most, in bytes of UTF-8; the extension is kept.
    init(file label: String, limit: Int) {
        let name = NameCleaning.component(label) ?? "file"
        self.init(name, extensionBytes: Self.extensionBytes(of: name), limit: limit)
    }

    private init(_ name: String, extensionBytes: Int, limit: Int) {
        let dot = name.utf8.index(name.endIndex, offsetBy: -extensionBytes)
        fileExtension = String(name[dot...])
        stem = NameCleaning.beginning(of: String(name[..<dot]), bytes: limit - extensionBytes)
        self.limit = limit
    }

    private init(stem: String, fileExtension: String, limit: Int) {
        self.stem = stem
        self.fileExtension = fileExtension
        self.limit = limit
    }

    /// The same with room for a number of seven digits. All names that begin alike become the same one, so that they
    /// can share a counter.
    var shortenedForNumber: SafeName {
        let room = limit - fileExtension.utf8.count - " (1234567)".utf8.count
        return SafeName(
            stem: NameCleaning.beginning(of: stem, bytes: room),
            fileExtension: fileExtension,
            limit: limit
        )
    }

    /// “IMG_0412 (2).jpg”
    func numbered(_ number: Int) -> String { "\(stem) (\(number))\(fileExtension)" }

    /// Equal for names that some file system takes for the same: in either case, composed or not, with or without
    /// joiners.
    ///
    /// To lower, upper and lower case again unites all that full case folding does (“ẞ”, “ß” and “ss”), and a little
    /// more. Unicode 15, D145: decomposed first. Strings compare by canonical equivalence afterwards.
    static func folded(_ name: String) -> String {
        guard !name.utf8.allSatisfy({ $0 < 0x80 }) else { return name.lowercased() }
        var visible = name.decomposedStringWithCanonicalMapping.unicodeScalars
        visible.removeAll(where: NameCleaning.isJoiner)
        return String(visible).lowercased().uppercased().lowercased()
    }

    /// What stands behind the last dot is an extension if it is short and there is something before it.
    private static func extensionBytes(of name: String) -> Int {
        guard let dot = name.lastIndex(of: "."), dot > name.startIndex else { return 0 }
        let count = name[dot...].utf8.count
        return count <= 17 ? count : 0
    }
}
