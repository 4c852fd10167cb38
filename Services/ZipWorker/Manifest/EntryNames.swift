import Foundation
import Models

/// A folder of one part's ZIP. Only `EntryNames` makes new ones, so no entry can lie outside them.
struct EntryFolder: Hashable, Codable, Sendable {
    /// The company's documents.
    static let procedures = EntryFolder("procedures")

    /// The rest of the company's documents, in a later part: its names may be those of the part before, and people put
    /// both into one place.
    static func procedures(continuedIn part: Int, in language: Export.Language) -> EntryFolder {
        EntryFolder("\(procedures.name) \(note(of: part, in: language))")
    }

    fileprivate static func note(of part: Int, in language: Export.Language) -> String {
        language.text(en: "(part \(part))", es: "(parte \(part))")
    }

    /// One safe component, without a slash.
    let name: String

    fileprivate let folded: String

    fileprivate init(_ name: String) {
        self.name = name
        folded = SafeName.folded(name)
    }
}

/// Gives the entries of one part their names: safe on every system, no two of them the same on any.
///
/// The names depend on nothing but what was asked for, and in which order. Memory grows with the number of names.
struct EntryNames: Sendable {
    // In the root.
    static let workbook = "items.xlsx"
    static let manifest = "manifest.json"
    static let problems = "PROBLEMS.txt"

    /// In bytes of UTF-8: a component may have 255 on Linux, but some programs of Windows stop at paths of 260 letters.
    static let maximumFolderBytes = 120
    /// In bytes of UTF-8, with the extension.
    static let maximumFileBytes = 150

    private var taken: Set<String>
    private var nextNumber: [String: Int] = [:]

    /// The names of the root are taken.
    init() {
        let root = [Self.workbook, Self.manifest, Self.problems, EntryFolder.procedures.name]
        taken = Set(root.map { "/\(SafeName.folded($0))" })
    }

    /// An item's folder: “EQ-001 Pump”; only “EQ-001” if the item has no other name. A second call makes a second one.
    mutating func folder(for item: Item) -> EntryFolder {
        EntryFolder(take(SafeName(folder: Self.label(of: item), limit: Self.maximumFolderBytes), in: ""))
    }

    /// The folder of an item whose first files are in an earlier part: “EQ-001 Pump (part 2)”. Its names may be those of
    /// the part before, and people put both into one place.
    mutating func folder(
        for item: Item,
        continuedIn part: Int,
        in language: Export.Language
    ) -> EntryFolder {
        let note = EntryFolder.note(of: part, in: language)
        let room = Self.maximumFolderBytes - note.utf8.count - 1
        let label = "\(SafeName(folder: Self.label(of: item), limit: room).text) \(note)"
        return EntryFolder(take(SafeName(folder: label, limit: Self.maximumFolderBytes), in: ""))
    }

    private static func label(of item: Item) -> String {
        item.name.isEmpty || item.name == item.code ? item.code : "\(item.code) \(item.name)"
    }

    /// The name of an entry for one file: “EQ-001 Pump/IMG_0412.jpg”. Its twins get “ (2)”, “ (3)”… before the
    /// extension.
    /// `filename` is a label, whatever is in it; the name has one slash in it.
    mutating func file(_ filename: String, in folder: EntryFolder) -> String {
        "\(folder.name)/\(take(SafeName(file: filename, limit: Self.maximumFileBytes), in: folder.folded))"
    }

    /// Twins count on where the last one stopped, so that a thousand of them do not try a thousand numbers each.
    ///
    /// - Parameters:
    ///   - name: What it would be called if it were alone.
    ///   - folder: Folded; empty for the root.
    /// - Returns: What it is called.
    private mutating func take(_ name: SafeName, in folder: String) -> String {
        func key(_ name: String) -> String { "\(folder)/\(SafeName.folded(name))" }
        guard !taken.insert(key(name.text)).inserted else { return name.text }
        let base = name.shortenedForNumber
        let counter = key(base.text)
        var number = nextNumber[counter] ?? 2
        while !taken.insert(key(base.numbered(number))).inserted { number += 1 }
        nextNumber[counter] = number + 1
        return base.numbered(number)
    }
}

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
    ///   - limit: Of its length, in bytes of UTF-8.
    init(folder label: String, limit: Int) {
        self.init(Self.cleaned(label) ?? "item", extensionBytes: 0, limit: limit)
    }

    /// - Parameters:
    ///   - label: Whatever people wrote.
    ///   - limit: Of its length, in bytes of UTF-8; the extension is kept.
    init(file label: String, limit: Int) {
        let name = Self.cleaned(label) ?? "file"
        self.init(name, extensionBytes: Self.extensionBytes(of: name), limit: limit)
    }

    private init(_ name: String, extensionBytes: Int, limit: Int) {
        let dot = name.utf8.index(name.endIndex, offsetBy: -extensionBytes)
        fileExtension = String(name[dot...])
        stem = Self.beginning(of: String(name[..<dot]), bytes: limit - extensionBytes)
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
            stem: Self.beginning(of: stem, bytes: room),
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
        visible.removeAll(where: isJoiner)
        return String(visible).lowercased().uppercased().lowercased()
    }

    /// What stands behind the last dot is an extension if it is short and there is something before it.
    private static func extensionBytes(of name: String) -> Int {
        guard let dot = name.lastIndex(of: "."), dot > name.startIndex else { return 0 }
        let count = name[dot...].utf8.count
        return count <= 17 ? count : 0
    }

    /// A label without what some system forbids, hides or gives a meaning of its own; nil if nothing is left.
    ///
    /// - In NFC, as Windows and Linux write names.
    /// - `/ \ : * ? " < > |` become `_`, line breaks and tabs a space. Control and format characters (those that turn
    ///   the text around, those without width) are dropped; the joiners of emoji and Persian stay.
    /// - No space around it, and no dot behind it: Windows drops both.
    /// - No dot before it, so that it is neither hidden nor a directory; not the name of a device on Windows; no accent
    ///   that would stand on the slash before it. Such a name gets a `_` in front.
    private static func cleaned(_ label: String) -> String? {
        var scalars = String.UnicodeScalarView()
        scalars.append(contentsOf: label.unicodeScalars.lazy.compactMap(replacement))
        let name = trimmed(String(scalars).precomposedStringWithCanonicalMapping)
        guard !name.isEmpty else { return nil }
        let isReserved = name.unicodeScalars.first == "." || "/\(name)".first != "/" || isDevice(name)
        return isReserved ? "_\(name)" : name
    }

    /// The longest beginning of at most `limit` bytes, without space or dots at its end. It ends between two
    /// characters people see; between two scalars if the first of them alone is longer.
    private static func beginning(of text: String, bytes limit: Int) -> String {
        guard text.utf8.count > limit else { return text }
        let scalars = text.unicodeScalars
        var scalarEnd = text.utf8.index(text.startIndex, offsetBy: limit)
        while scalarEnd.samePosition(in: scalars) == nil { scalarEnd = text.utf8.index(before: scalarEnd) }
        var end = scalarEnd
        while end.samePosition(in: text) == nil { end = scalars.index(before: end) }
        return trimmed(String(text[..<(end > text.startIndex ? end : scalarEnd)]))
    }

    /// Without width, but with a meaning inside a word or an emoji.
    private static func isJoiner(_ scalar: Unicode.Scalar) -> Bool { scalar == "\u{200C}" || scalar == "\u{200D}" }

    private static func replacement(_ scalar: Unicode.Scalar) -> Unicode.Scalar? {
        switch scalar {
        case "/", "\\", ":", "*", "?", "\"", "<", ">", "|": return "_"
        case " "..."~": return scalar
        default: break
        }
        switch scalar.properties.generalCategory {
        case .control, .lineSeparator, .paragraphSeparator: return scalar.properties.isWhitespace ? " " : nil
        case .format: return isJoiner(scalar) ? scalar : nil
        default: return scalar.properties.isNoncharacterCodePoint ? nil : scalar
        }
    }

    private static func trimmed(_ name: String) -> String {
        let isEdge = { (scalar: Unicode.Scalar) in scalar.properties.isWhitespace || isJoiner(scalar) }
        var scalars = name.unicodeScalars[...]
        scalars = scalars.drop(while: isEdge)
        while let last = scalars.last, last == "." || isEdge(last) { scalars.removeLast() }
        return String(scalars)
    }

    /// Windows opens the device whatever the extension, and takes superscript digits for digits.
    private static func isDevice(_ name: String) -> Bool {
        let stem = folded(name).prefix { $0 != "." }.trimmingCharacters(in: .whitespaces)
        switch stem {
        case "con", "prn", "aux", "nul", "conin$", "conout$": return true
        default:
            guard stem.count == 4, stem.hasPrefix("com") || stem.hasPrefix("lpt") else { return false }
            return stem.last.map { "0123456789¹²³".contains($0) } ?? false
        }
    }
}
