import Models

/// A folder of one part's ZIP. Only `EntryNames` makes new ones, so no entry can lie outside them.
struct EntryFolder: Hashable, Sendable {
    /// The company's documents.
    static let procedures = EntryFolder("procedures")

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
    /// The name of the workbook, in the root.
    static let workbook = "items.xlsx"
    /// The name of the inventory for programs, in the root.
    static let manifest = "manifest.json"
    /// The name of the list of lost and damaged files, in the root.
    static let problems = "PROBLEMS.txt"

    /// In bytes of UTF-8: a component may have 255 on Linux, but some programs of Windows stop at paths of 260 letters.
    static let maximumFolderBytes = 120
    /// In bytes of UTF-8, with the extension.
    static let maximumFileBytes = 150

    private var taken: Set<String>
    private var nextNumber: [String: Int] = [:]

    /// The names of a part without items; those of the root are taken.
    init() {
        let root = [Self.workbook, Self.manifest, Self.problems, EntryFolder.procedures.name]
        taken = Set(root.map { "/\(SafeName.folded($0))" })
    }

    /// An item's folder: “EQ-001 Pump”; only “EQ-001” if the item has no other name. A second call makes a second one.
    mutating func folder(for item: Item) -> EntryFolder {
        let label = item.name.isEmpty || item.name == item.code ? item.code : "\(item.code) \(item.name)"
        return EntryFolder(take(SafeName(folder: label, limit: Self.maximumFolderBytes), in: ""))
    }

    /// The name of an entry for one file: “EQ-001 Pump/IMG_0412.jpg”. Its twins get “ (2)”, “ (3)”… before the
    /// extension.
    ///
    /// - Parameters:
    ///   - filename: A label, whatever is in it.
    ///   - folder: Where the entry lies.
    /// - Returns: The whole name, with one slash in it.
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
