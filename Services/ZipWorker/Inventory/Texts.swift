import Models

extension Export.Language {
    /// The one of two texts, or of two of anything, that is in this language.
    func text<Text>(en english: Text, es spanish: Text) -> Text {
        switch self {
        case .en: english
        case .es: spanish
        }
    }
}
