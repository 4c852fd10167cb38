import Foundation
import Models
import Testing

@testable import ZipWorker

@Suite("Names of entries")
struct NamingTests {
    private func item(_ code: String, _ name: String) -> Item {
        Item(id: .new(), code: code, name: name, kind: "", attributes: [:], createdAt: .now, updatedAt: .now)
    }

    @Test(
        "An item's folder is its code and its name",
        arguments: [
            ("EQ-001", "Pump", "EQ-001 Pump"), ("EQ-001", "", "EQ-001"), ("EQ-001", "EQ-001", "EQ-001"),
            ("EQ-001", "  ", "EQ-001"), ("A/B", "x\\y", "A_B x_y"), ("..", "", "item"), ("", "", "item"),
            ("EQ 1.", "v2.", "EQ 1. v2"), ("CON", "", "_CON"), ("ñandú", "niño", "ñandú niño"),
        ]
    )
    func folder(code: String, name: String, expected: String) {
        var names = EntryNames()
        #expect(names.folder(for: item(code, name)).name == expected)
    }

    @Test("An item that goes on in a later part has a folder of another name there, however long its own is")
    func continuedFolder() {
        var names = EntryNames()
        #expect(names.folder(for: item("EQ-1", "Pump"), continuedIn: 2, in: .en).name == "EQ-1 Pump (part 2)")
        #expect(names.folder(for: item("EQ-1", "Pump"), continuedIn: 3, in: .es).name == "EQ-1 Pump (parte 3)")
        let long = String(repeating: "ñ", count: 200)
        let folder = names.folder(for: item("EQ-2", long), continuedIn: 12, in: .en).name
        #expect(folder.hasSuffix("ñ (part 12)"))
        #expect(folder.utf8.count <= EntryNames.maximumFolderBytes)
        #expect(EntryFolder.procedures(continuedIn: 2, in: .es).name == "procedures (parte 2)")
    }

    @Test(
        "A hostile name becomes a harmless label",
        arguments: [
            ("../../etc/passwd", "_.._.._etc_passwd"), ("/etc/passwd", "_etc_passwd"), ("C:\\a.jpg", "C__a.jpg"),
            ("..", "file"), (".", "file"), ("", "file"), (" . . ", "file"), ("\u{200B}..\u{2060}", "file"),
            ("a\u{0}b.jpg", "ab.jpg"), ("a\r\nb.jpg", "a  b.jpg"), ("a\u{85}\u{9B}b", "a b"), ("a\u{2028}b", "a b"),
            ("\u{202E}gpj.exe", "gpj.exe"), ("a\u{2066}b\u{FEFF}.jpg", "ab.jpg"), ("a\u{FFFE}.jpg", "a.jpg"),
            ("what?.jpg", "what_.jpg"), ("a*b\"c<d>e|f.jpg", "a_b_c_d_e_f.jpg"), ("photo.jpg. .", "photo.jpg"),
            ("  photo.jpg", "photo.jpg"), (".bashrc", "_.bashrc"), ("desktop.ini", "desktop.ini"),
            ("=cmd|' /C calc'!A0.csv", "=cmd_' _C calc'!A0.csv"), ("-rf", "-rf"), ("100 % #1.jpg", "100 % #1.jpg"),
            ("n\u{303}.jpg", "\u{F1}.jpg"), ("e\u{200B}\u{301}.jpg", "\u{E9}.jpg"),
            ("\u{301}a.jpg", "_\u{301}a.jpg"), (".\u{301}a", "_.\u{301}a"),
            ("👨\u{200D}👩\u{200D}👧.jpg", "👨\u{200D}👩\u{200D}👧.jpg"), ("\u{200D}.", "file"),
        ]
    )
    func hostile(filename: String, expected: String) {
        var names = EntryNames()
        let name = names.file(filename, in: .procedures)
        #expect(Array(name.unicodeScalars) == Array("procedures/\(expected)".unicodeScalars))
    }

    @Test(
        "No file is a device of Windows",
        arguments: [
            "CON", "con.jpg", "Aux.tar.gz", "NUL .txt", "com1", "LPT9.x", "COM¹.jpg", "lpt³", "CONOUT$", "C\u{200D}ON",
        ]
    )
    func device(filename: String) {
        var names = EntryNames()
        #expect(names.file(filename, in: .procedures) == "procedures/_\(filename)")
    }

    @Test("What only begins like a device keeps its name", arguments: ["CONSOLE.txt", "com10.txt", "lptx", "nul-1"])
    func noDevice(filename: String) {
        var names = EntryNames()
        #expect(names.file(filename, in: .procedures) == "procedures/\(filename)")
    }

    @Test("Twins are numbered before the extension, in the order they come")
    func twins() {
        var names = EntryNames()
        let given = ["a.jpg", "a.jpg", "a.jpg", "a.tar.gz", "a.tar.gz", "x", "x", "v1. one two three four five", "b."]
            .map { names.file($0, in: .procedures) }
        let expected = [
            "a.jpg", "a (2).jpg", "a (3).jpg", "a.tar.gz", "a.tar (2).gz", "x", "x (2)", "v1. one two three four five",
            "b",
        ]
        #expect(given == expected.map { "procedures/\($0)" })
    }

    @Test("A number never meets a name that has it already")
    func numberTaken() {
        var names = EntryNames()
        let given = ["a (2).jpg", "a.jpg", "a.jpg", "a (2).jpg", "a (2).jpg"].map { names.file($0, in: .procedures) }
        let expected = ["a (2).jpg", "a.jpg", "a (3).jpg", "a (2) (2).jpg", "a (2) (3).jpg"]
        #expect(given == expected.map { "procedures/\($0)" })
    }

    @Test(
        "Names that some file system takes for the same are twins",
        arguments: [
            ("IMG.JPG", "img.jpg"), ("n\u{303}.jpg", "\u{F1}.jpg"), ("Ñ.jpg", "n\u{303}.JPG"), ("straße", "STRASSE"),
            ("ẞ", "ss"),
            ("ﬁn", "FIN"), ("ΌΣΟΣ", "όσος"), ("\u{212A}.jpg", "k.jpg"), ("a.jpg.", "a.jpg "), ("a:b", "a?b"),
            ("na\u{200C}me", "name"),
        ]
    )
    func sameForSome(one: String, other: String) {
        var names = EntryNames()
        _ = names.file(one, in: .procedures)
        #expect(names.file(other, in: .procedures).contains(" (2)"))
    }

    @Test("Folders are numbered too, and none takes a name of the root")
    func folders() {
        var names = EntryNames()
        let items = [item("A/1", "v1.5"), item("A_1", "V1.5"), item("Procedures", ""), item("items.xlsx", "")]
        let given = items.map { names.folder(for: $0).name }
        #expect(given == ["A_1 v1.5", "A_1 V1.5 (2)", "Procedures (2)", "items.xlsx (2)"])
    }

    @Test("The same name may stand in two folders")
    func perFolder() {
        var names = EntryNames()
        let folder = names.folder(for: item("EQ-1", ""))
        #expect(names.file("a.jpg", in: folder) == "EQ-1/a.jpg")
        #expect(names.file("a.jpg", in: .procedures) == "procedures/a.jpg")
    }

    @Test("A long name is cut between two characters people see, and keeps its extension")
    func long() {
        var names = EntryNames()
        let family = "👨‍👩‍👧‍👦"
        let name = names.file(String(repeating: family, count: 20) + ".jpeg", in: .procedures).dropFirst(11)
        #expect(name == String(repeating: family, count: 5) + ".jpeg")
        let folder = names.folder(for: item(String(repeating: "ñ", count: 200), "")).name
        #expect(folder == String(repeating: "ñ", count: 60))
        let marks = names.file("a" + String(repeating: "\u{301}", count: 500) + ".jpg", in: .procedures).dropFirst(11)
        #expect((140...150).contains(marks.utf8.count))
        #expect(marks.hasSuffix(".jpg"))
        let dotted = names.folder(for: item(String(repeating: "a", count: 119) + ". b", "")).name
        #expect(dotted == String(repeating: "a", count: 119))
    }

    @Test("Ten thousand files of one name, and of ten thousand long ones that begin alike, are all told apart")
    func many() {
        var names = EntryNames()
        let same = (0..<10_000).map { _ in names.file("photo.jpg", in: .procedures) }
        #expect(same.last == "procedures/photo (10000).jpg")
        let begin = String(repeating: "x", count: 140)
        let long = (0..<20_000).map { names.file("\(begin)\(10_000 + $0 % 10_000).jpg", in: .procedures) }
        #expect(Set(same + long).count == 30_000)
        #expect(long.allSatisfy { $0.utf8.count <= 11 + 150 })
    }

    @Test("Whatever a name is made of, it becomes one safe component that no other name meets")
    func anything() {
        var random = Seeded(state: 20_240_611)
        let pool: [ClosedRange<UInt32>] = [
            0...0x7F, 0x20...0x2F, 0x80...0x24F, 0x300...0x36F, 0x2000...0x206F, 0...0x10FFFF,
        ]
        var names = EntryNames()
        var seen: Set<String> = []
        for _ in 0..<20_000 {
            var label = String.UnicodeScalarView()
            for _ in 0..<Int.random(in: 0...6, using: &random) {
                let range = pool.randomElement(using: &random) ?? 0...0x7F
                if let scalar = Unicode.Scalar(UInt32.random(in: range, using: &random)) { label.append(scalar) }
            }
            let name = String(names.file(String(label), in: .procedures).dropFirst(11))
            #expect(isSafe(name), "\(label.map(\.value)) became \(name.unicodeScalars.map(\.value))")
            #expect(seen.insert(SafeName.folded(name)).inserted, "\(label.map(\.value)) has a twin")
        }
    }

    private func isSafe(_ name: String) -> Bool {
        let scalars = name.unicodeScalars
        guard let first = scalars.first, let last = scalars.last, name.utf8.count <= 150 else { return false }
        return first != "." && last != "." && !first.properties.isWhitespace && !last.properties.isWhitespace
            && Array(name.precomposedStringWithCanonicalMapping.unicodeScalars) == Array(scalars)
            && !scalars.contains { scalar in
                "/\\:*?\"<>|".unicodeScalars.contains(scalar) || scalar.properties.generalCategory == .control
                    || scalar.properties.isBidiControl || scalar.properties.isNoncharacterCodePoint
                    || ["\u{200B}", "\u{2028}", "\u{2029}", "\u{2060}", "\u{FEFF}"].contains(scalar)
            }
    }
}

/// The same numbers in each run.
private struct Seeded: RandomNumberGenerator {
    var state: UInt64

    /// SplitMix64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
