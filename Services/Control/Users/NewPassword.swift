import Config
import Glibc

/// Where a new password comes from.
enum NewPassword {
    /// Reads it from the standard input, from `TOLVA_PASSWORD`, or from the person at the terminal.
    static func read(fromStandardInput: Bool) throws -> String {
        if fromStandardInput {
            guard let line = readLine(), !line.isEmpty else {
                throw ControlError("The standard input holds no password.")
            }
            return line
        }
        if let password = SettingsReader.environment().string("TOLVA_PASSWORD", isSecret: true) { return password }
        guard isatty(STDIN_FILENO) == 1 else {
            throw ControlError("There is no terminal to ask for the password: use --password-stdin or TOLVA_PASSWORD.")
        }
        let password = try prompt("Password: ")
        guard try prompt("The same again: ") == password else { throw ControlError("The two passwords differ.") }
        return password
    }

    private static func prompt(_ text: String) throws -> String {
        guard let answer = getpass(text) else { throw ControlError("The password could not be read.") }
        return String(cString: answer)
    }
}
