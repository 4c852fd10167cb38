import Foundation

/// The rules every component of an entry's name follows.
enum NameCleaning {
    /// A label without what some system forbids, hides or gives a meaning of its own; nil if nothing is left.
    ///
    /// - In NFC, as Windows and Linux write names.
    /// - `/ \ : * ? " < > |` become `_`, line breaks and tabs a space. Control and format characters (those that turn
    ///   the text around, those without width) are dropped; the joiners of emoji and Persian stay.
    /// - No space around it, and no dot behind it: Windows drops both.
    /// - No dot before it, so that it is neither hidden nor a directory; not the name of a device on Windows; no accent
    ///   that would stand on the slash before it. Such a name gets a `_` in front.
    static func component(_ label: String) -> String? {
        var scalars = String.UnicodeScalarView()
        scalars.append(contentsOf: label.unicodeScalars.lazy.compactMap(replacement))
        let name = trimmed(String(scalars).precomposedStringWithCanonicalMapping)
        guard !name.isEmpty else { return nil }
        let isReserved = name.unicodeScalars.first == "." || "/\(name)".first != "/" || isDevice(name)
        return isReserved ? "_\(name)" : name
    }

    /// The longest beginning of at most `limit` bytes, without space or dots at its end. It ends between two
    /// characters people see; between two scalars if the first of them alone is longer.
    static func beginning(of text: String, bytes limit: Int) -> String {
        guard text.utf8.count > limit else { return text }
        let scalars = text.unicodeScalars
        var scalarEnd = text.utf8.index(text.startIndex, offsetBy: limit)
        while scalarEnd.samePosition(in: scalars) == nil { scalarEnd = text.utf8.index(before: scalarEnd) }
        var end = scalarEnd
        while end.samePosition(in: text) == nil { end = scalars.index(before: end) }
        return trimmed(String(text[..<(end > text.startIndex ? end : scalarEnd)]))
    }

    /// Without width, but with a meaning inside a word or an emoji.
    static func isJoiner(_ scalar: Unicode.Scalar) -> Bool { scalar == "\u{200C}" || scalar == "\u{200D}" }

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
        let stem = SafeName.folded(name).prefix { $0 != "." }.trimmingCharacters(in: .whitespaces)
        switch stem {
        case "con", "prn", "aux", "nul", "conin$", "conout$": return true
        default:
            guard stem.count == 4, stem.hasPrefix("com") || stem.hasPrefix("lpt") else { return false }
            return stem.last.map { "0123456789¹²³".contains($0) } ?? false
        }
    }
}
