public import Configuration
import Foundation

/// Reads a process's settings, once, at its start.
///
/// Each module owns a struct of its settings with an `init(reader:)` that names the variables, so a
/// search for a variable's name finds the one place that reads it.
public struct SettingsReader: Sendable {
    private let reader: ConfigReader

    public init(_ reader: ConfigReader) {
        self.reader = reader
    }

    public static func environment() -> SettingsReader {
        SettingsReader(ConfigReader(provider: EnvironmentVariablesProvider()))
    }

    /// The text of a variable; nil if it is not set or empty.
    public func string(_ name: String, isSecret: Bool = false) -> String? {
        let key = ConfigKey(name.lowercased().split(separator: "_").map(String.init))
        guard let text = reader.string(forKey: key, isSecret: isSecret), !text.isEmpty else { return nil }
        return text
    }

    /// The text of a variable the process cannot start without.
    public func required(
        _ name: String,
        example: String,
        isSecret: Bool = false
    ) throws(SettingsError) -> String {
        guard let text = string(name, isSecret: isSecret) else {
            throw SettingsError(variable: name, problem: "is not set", example: example)
        }
        return text
    }

    public func integer(
        _ name: String,
        default value: Int,
        in range: ClosedRange<Int>
    ) throws(SettingsError) -> Int {
        guard let text = string(name) else { return value }
        guard let number = Int(text) else {
            throw SettingsError(variable: name, problem: "is not a whole number: \(text)", example: "\(value)")
        }
        guard range.contains(number) else {
            let problem = "is \(number), outside \(range.lowerBound)…\(range.upperBound)"
            throw SettingsError(variable: name, problem: problem, example: "\(value)")
        }
        return number
    }

    /// A size: a whole number of bytes, or one followed by KiB, MiB, GiB or TiB.
    public func bytes(_ name: String, default value: Int64) throws(SettingsError) -> Int64 {
        guard let text = string(name) else { return value }
        guard let size = Self.bytes(text) else {
            throw SettingsError(variable: name, problem: "is not a size: \(text)", example: "50MiB")
        }
        return size
    }

    /// A length of time: a number of seconds, with or without `s`, or a number followed by `m` or `h`.
    public func duration(
        _ name: String,
        default value: Duration,
        atLeast least: Duration = .zero
    ) throws(SettingsError) -> Duration {
        guard let text = string(name) else { return value }
        guard let duration = Self.duration(text) else {
            throw SettingsError(variable: name, problem: "is not a length of time: \(text)", example: "30s")
        }
        guard duration >= least else {
            let problem = "is less than \(least.components.seconds / 60) minutes"
            throw SettingsError(variable: name, problem: problem, example: "24h")
        }
        return duration
    }

    /// `true` or `false` (also `1` and `0`, `yes` and `no`, `on` and `off`).
    public func flag(_ name: String, default value: Bool) throws(SettingsError) -> Bool {
        guard let text = string(name)?.lowercased() else { return value }
        if ["true", "1", "yes", "on"].contains(text) { return true }
        if ["false", "0", "no", "off"].contains(text) { return false }
        throw SettingsError(variable: name, problem: "is neither true nor false: \(text)", example: "\(value)")
    }

    public func choice<Choice: RawRepresentable & CaseIterable & Sendable>(
        _ name: String,
        default value: Choice
    ) throws(SettingsError) -> Choice where Choice.RawValue == String {
        guard let text = string(name) else { return value }
        guard let choice = Choice(rawValue: text.lowercased()) else {
            let words = Choice.allCases.map(\.rawValue).joined(separator: ", ")
            throw SettingsError(variable: name, problem: "is none of \(words): \(text)", example: value.rawValue)
        }
        return choice
    }

    static func bytes(_ text: String) -> Int64? {
        let units: [(String, Int64)] = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40)]
        var number = text
        var factor: Int64 = 1
        if let unit = units.first(where: { text.lowercased().hasSuffix($0.0.lowercased()) }) {
            number = String(text.dropLast(3)).trimmingCharacters(in: .whitespaces)
            factor = unit.1
        }
        guard let count = Int64(number), count >= 0 else { return nil }
        let (size, overflow) = count.multipliedReportingOverflow(by: factor)
        return overflow ? nil : size
    }

    static func duration(_ text: String) -> Duration? {
        let factors: [Character: Double] = ["s": 1, "m": 60, "h": 3600]
        let factor = text.last.flatMap { factors[$0] }
        let number = factor == nil ? text[...] : text.dropLast()
        guard let count = Double(number), count >= 0, count < 1e9 else { return nil }
        return .seconds(count * (factor ?? 1))
    }
}

/// A variable that is missing or wrong. It stops the start with one line that says what to write.
public struct SettingsError: Error, Hashable, CustomStringConvertible {
    public let variable: String
    /// What is wrong with it; never its value if it is a secret.
    public let problem: String
    /// A value that would do.
    public let example: String

    public init(variable: String, problem: String, example: String) {
        self.variable = variable
        self.problem = problem
        self.example = example
    }

    public var description: String { "\(variable) \(problem). Example: \(variable)=\(example)" }
}
