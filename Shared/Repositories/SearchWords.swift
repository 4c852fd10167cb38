import Foundation

/// What a person searches for: words that must all be there, in any case and without accents.
///
/// A word of one or two letters begins a word of what is found; a longer one may stand anywhere in it. Signs only part
/// words, as in the column `search` of `items`, which the function `search_text` of the database fills.
public struct SearchWords: Sendable {
    /// More would only make the statement longer.
    static let maximum = 8
    /// Shorter ones have no group of three letters for the index but with the space before them.
    private static let letters = 3

    /// One for `LIKE` a word, the longest first; none if there is nothing to search for.
    public let patterns: [String]

    public init(_ text: String) {
        let words = Set(Self.folded(text).split(separator: " ")).filter(Self.canBeFound).sorted {
            ($1.count, $0) < ($0.count, $1)
        }
        patterns = words.prefix(Self.maximum).map { $0.count < Self.letters ? "\(Self.beginning)\($0)%" : "%\($0)%" }
    }

    /// Whether one of the patterns is of a word that only begins a word.
    public static func isShort(_ pattern: String) -> Bool { pattern.hasPrefix(beginning) }

    private static let beginning = "% "

    /// The index knows groups of letters and digits: for a word without any it would give everything.
    private static func canBeFound(_ word: Substring) -> Bool { word.contains { $0.isLetter || $0.isNumber } }

    /// As `search_text` does.
    static func folded(_ text: String) -> String {
        var folded = ""
        for scalar in text.decomposedStringWithCompatibilityMapping.unicodeScalars {
            switch scalar.value {
            case 0x300...0x36F: break
            case 0...0x2F, 0x3A...0x40, 0x5B...0x60, 0x7B...0x7F: folded += " "
            default: folded.unicodeScalars.append(scalar)
            }
        }
        return folded.lowercased()
    }
}
