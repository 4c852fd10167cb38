import ArgumentParser
import Database
import Foundation
import Jobs

/// What an operator names jobs by: the id of a job, of its asset, or of its export.
struct JobReference: Sendable {
    let id: UUID

    /// Reads an id on the command line.
    static func argument(_ text: String) throws -> JobReference {
        guard let id = UUID(uuidString: text) else {
            throw ValidationError("\(text) is not an id. Run: tolvactl jobs list")
        }
        return JobReference(id: id)
    }

    /// The jobs it stands for, one at least.
    func jobs(in database: Database) async throws -> [JobEntry] {
        let jobs = try await JobRepository(database).find(id)
        guard !jobs.isEmpty else {
            throw ControlError("No job, asset or export with a job has the id \(self). Run: tolvactl jobs list")
        }
        return jobs
    }
}

extension JobReference: CustomStringConvertible {
    var description: String { id.uuidString.lowercased() }
}
