import ArgumentParser
import Jobs
import Models

extension Job.Kind {
    /// Reads a kind on the command line.
    static func argument(_ word: String) throws -> Job.Kind {
        guard let kind = Job.Kind(rawValue: word.lowercased()) else {
            throw ValidationError("A kind is one of \(allCases.map(\.rawValue).joined(separator: ", ")).")
        }
        return kind
    }
}

extension Job.State {
    /// Reads a state on the command line.
    static func argument(_ word: String) throws -> Job.State {
        guard let state = Job.State(rawValue: word.lowercased()) else {
            throw ValidationError("A state is one of \(allCases.map(\.rawValue).joined(separator: ", ")).")
        }
        return state
    }
}
