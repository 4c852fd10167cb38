import ArgumentParser
import Config
import Foundation

@main
struct Control: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tolvactl",
        abstract: "Looks after a Tolva suite.",
        discussion: """
            It reads the same environment as the services: DATABASE_URL, AMQP_URL, VOLUMES.
            It ends with 0 if all went well, 64 if it was called wrongly and 1 for anything else.
            """,
        version: SettingsReader.environment().string("TOLVA_VERSION") ?? "dev",
        subcommands: [
            Migrate.self, CompanyCommand.self, UserCommand.self, ExportCommand.self, JobCommand.self,
            DeadLetterCommand.self, Check.self, Collect.self, Doctor.self,
        ]
    )
}

/// What the operator is told when a command cannot do what it was asked to.
struct ControlError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }
}

/// What commands print: results to the standard output, the rest to the standard error.
enum Terminal {
    /// Tells the operator something that is not the result.
    static func note(_ text: String) {
        FileHandle.standardError.write(Data((text + "\n").utf8))
    }

    static func printTable(_ titles: [String], _ rows: [[String]]) {
        let lines = [titles] + rows
        let widths = titles.indices.map { column in lines.map { $0[column].count }.max() ?? 0 }
        for line in lines {
            let cells = zip(line, widths).map { cell, width in
                cell + String(repeating: " ", count: width - cell.count)
            }
            print(cells.joined(separator: "  ").trimmingCharacters(in: .whitespaces))
        }
    }

    /// Prints JSON with `snake_case` names.
    static func printJSON(_ value: some Encodable) throws {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        print(String(decoding: try encoder.encode(value), as: UTF8.self))
    }
}

/// Reads one of a few words on the command line, in upper or lower case.
func choice<Word: CaseIterable & RawRepresentable<String>>(_ text: String, _ noun: String) throws -> Word {
    guard let word = Word(rawValue: text.lowercased()) else {
        throw ValidationError("A \(noun) is one of \(Word.allCases.map(\.rawValue).joined(separator: ", ")).")
    }
    return word
}
