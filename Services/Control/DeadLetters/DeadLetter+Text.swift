import Messaging

extension DeadLetter {
    private static let shownCharacters = 80

    /// Its beginning on one line: as text if it is some, and otherwise in hexadecimal.
    var text: String {
        if let text = String(validating: beginning, as: UTF8.self), text.unicodeScalars.allSatisfy(\.isShown) {
            return shortened(text, to: Self.shownCharacters)
        }
        let digits = beginning.prefix(Self.shownCharacters / 2).map { byte in
            (byte < 16 ? "0" : "") + String(byte, radix: 16)
        }
        return shortened("0x" + digits.joined(), to: Self.shownCharacters)
    }

    private func shortened(_ text: String, to count: Int) -> String {
        text.count > count || bytes > beginning.count ? text.prefix(count) + "…" : text
    }
}

extension Unicode.Scalar {
    /// It shows as itself, and does nothing else to a terminal.
    fileprivate var isShown: Bool {
        switch properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse, .unassigned: false
        default: true
        }
    }
}
