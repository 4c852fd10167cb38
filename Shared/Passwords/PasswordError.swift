/// Why a password was not hashed or verified.
public enum PasswordError: Error, CustomStringConvertible {
    /// It has fewer characters than `PasswordHasher.minimumLength`.
    case tooShort
    /// It has more bytes than `PasswordHasher.maximumBytes`.
    case tooLong
    /// Too many wait already: come again in a moment.
    case busy
    /// There is no memory for it, or libsodium cannot start.
    case unavailable

    /// The sentence for people.
    public var description: String {
        switch self {
        case .tooShort: "The password needs at least \(PasswordHasher.minimumLength) characters."
        case .tooLong: "The password is longer than \(PasswordHasher.maximumBytes) bytes."
        case .busy: "Too many people are signing in at once. Try again in a moment."
        case .unavailable: "The password cannot be hashed: there is not enough memory."
        }
    }
}
