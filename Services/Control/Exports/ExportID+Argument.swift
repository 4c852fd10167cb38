import ArgumentParser
import Models

extension ExportID {
    /// Reads an id on the command line.
    static func argument(_ text: String) throws -> ExportID {
        guard let id = ExportID(text) else { throw ValidationError("\(text) is not an id. Run: tolvactl export list") }
        return id
    }
}

extension ControlError {
    static func noExport(_ id: ExportID) -> ControlError {
        ControlError("There is no export \(id). Run: tolvactl export list")
    }
}
