import Database
import Foundation
import Jobs
import Models

/// A job as it is printed.
struct JobLine: Encodable {
    struct Attempt: Encodable {
        let attempt: Int
        let fence: Int64
        let outcome: String
        let worker: String?
        let startedAt: String?
        let endedAt: String
        let seconds: Double?
        let reason: String?
    }

    let id: String
    let kind: String
    let state: String
    let attempt: Int
    let maxAttempts: Int
    let fence: Int64
    let progress: Double
    let company: String?
    let subject: String
    let assetId: String?
    let exportId: String?
    let reason: String?
    let worker: String?
    let announced: Bool
    let runAfter: String
    let leaseUntil: String?
    let createdAt: String
    let startedAt: String?
    let finishedAt: String?
    let history: [Attempt]

    init(_ job: JobEntry) {
        id = job.id.description
        kind = job.kind.rawValue
        state = job.state.rawValue
        attempt = job.attempt
        maxAttempts = job.maximumAttempts
        fence = job.fence
        progress = job.progress
        company = job.company
        subject = job.subject.words
        assetId = job.subject.asset?.description
        exportId = job.subject.export?.description
        reason = job.reason
        worker = job.worker
        announced = job.isAnnounced
        runAfter = job.runAfter.formatted(.iso8601)
        leaseUntil = job.leaseUntil?.formatted(.iso8601)
        createdAt = job.createdAt.formatted(.iso8601)
        startedAt = job.startedAt?.formatted(.iso8601)
        finishedAt = job.finishedAt?.formatted(.iso8601)
        history = job.history.map(Attempt.init)
    }

    /// `2/5`: the attempt, of how many.
    var attempts: String { "\(attempt)/\(maxAttempts)" }
}

extension JobLine.Attempt {
    fileprivate init(_ attempt: JobEntry.Attempt) {
        self.attempt = attempt.attempt
        fence = attempt.fence
        outcome = attempt.outcome.rawValue
        worker = attempt.worker
        startedAt = attempt.startedAt?.formatted(.iso8601)
        endedAt = attempt.endedAt.formatted(.iso8601)
        seconds = attempt.startedAt.map { (attempt.endedAt.timeIntervalSince($0) * 100).rounded() / 100 }
        reason = attempt.reason
    }
}

extension JobEntry.Subject {
    /// What it is, for people.
    fileprivate var words: String {
        switch self {
        case .asset(_, let filename, let item): item.map { "\(filename) of \($0)" } ?? filename
        case .part(let number, _): "part \(number)"
        case .unknown(let id): "\(id.uuidString.lowercased()), which is gone"
        }
    }

    fileprivate var asset: AssetID? {
        if case .asset(let id, _, _) = self { id } else { nil }
    }

    fileprivate var export: ExportID? {
        if case .part(_, let id) = self { id } else { nil }
    }
}
