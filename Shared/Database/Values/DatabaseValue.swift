public import Foundation
public import Models

/// A type that can be a statement's parameter and a row's column, in Postgres' text format.
///
/// An enum of strings, or any other `RawRepresentable`, opts in with `extension Role: DatabaseValue {}`.
public protocol DatabaseValue: Sendable {
    /// The text Postgres reads as this value; nil is NULL.
    ///
    /// - Throws: `.undecodable` for a value Postgres has no form for.
    var databaseText: String? { get throws(DatabaseError) }

    /// Reads what Postgres wrote, nil being NULL; nil if that is no value of this type.
    init?(databaseText: String?)
}

extension DatabaseValue where Self: RawRepresentable, RawValue: DatabaseValue {
    /// The raw value's text.
    public var databaseText: String? {
        get throws(DatabaseError) { try rawValue.databaseText }
    }

    /// Reads the raw value; nil for one that has no case.
    public init?(databaseText: String?) {
        guard let rawValue = RawValue(databaseText: databaseText) else { return nil }
        self.init(rawValue: rawValue)
    }
}

extension DatabaseValue where Self: Numeric & LosslessStringConvertible {
    /// The decimal digits.
    public var databaseText: String? { description }

    /// Reads decimal digits.
    public init?(databaseText: String?) {
        guard let databaseText else { return nil }
        self.init(databaseText)
    }
}

extension Int: DatabaseValue {}
extension Int32: DatabaseValue {}
extension Int64: DatabaseValue {}
/// Stands in a `bigint`: Postgres has no unsigned type.
extension UInt32: DatabaseValue {}
extension Double: DatabaseValue {}

extension String: DatabaseValue {
    /// The text itself.
    public var databaseText: String? { self }

    /// Takes the text as it is.
    public init?(databaseText: String?) {
        guard let databaseText else { return nil }
        self = databaseText
    }
}

extension Bool: DatabaseValue {
    /// `t` or `f`.
    public var databaseText: String? { self ? "t" : "f" }

    /// Reads `t` or `f`.
    public init?(databaseText: String?) {
        switch databaseText {
        case "t": self = true
        case "f": self = false
        default: return nil
        }
    }
}

extension UUID: DatabaseValue {
    /// The usual form.
    public var databaseText: String? { uuidString }

    /// Reads the usual form.
    public init?(databaseText: String?) {
        guard let databaseText else { return nil }
        self.init(uuidString: databaseText)
    }
}

extension Identifier: DatabaseValue {}

extension SHA256Digest: DatabaseValue {
    /// The 64 digits.
    public var databaseText: String? { description }

    /// Reads 64 digits.
    public init?(databaseText: String?) {
        guard let databaseText else { return nil }
        self.init(databaseText)
    }
}

extension Optional: DatabaseValue where Wrapped: DatabaseValue {
    /// The value's text, or NULL.
    public var databaseText: String? {
        get throws(DatabaseError) { try self?.databaseText }
    }

    /// Reads NULL as nil.
    public init?(databaseText: String?) {
        guard let databaseText else {
            self = .none
            return
        }
        guard let value = Wrapped(databaseText: databaseText) else { return nil }
        self = .some(value)
    }
}
