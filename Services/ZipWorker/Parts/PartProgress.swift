import Jobs
import Messaging
import Models
import Repositories
import Synchronization

/// How many of a part's items are in the archive, told to the row and to whoever listens, at most four times a second.
final class PartProgress: Sendable {
    private struct State {
        var filesLeft: [Int]
        var done: Int
    }

    private static let interval = Duration.milliseconds(250)

    private let items: Int
    private let owners: [Int?]
    private let state: Mutex<State>

    init(of plan: PartPlan) {
        items = plan.items.count
        owners = plan.files.map(\.item)
        var filesLeft = Array(repeating: 0, count: plan.items.count)
        for case .some(let owner) in owners { filesLeft[owner] += 1 }
        let empty = filesLeft.count { $0 == 0 }
        state = Mutex(State(filesLeft: filesLeft, done: empty))
    }

    /// Counts one file of the plan.
    func finished(file index: Int) {
        guard let item = owners[index] else { return }
        state.withLock { state in
            state.filesLeft[item] -= 1
            if state.filesLeft[item] == 0 { state.done += 1 }
        }
    }

    /// Tells how far it is whenever that has changed, until it is cancelled.
    func report(_ lease: Lease, _ part: (export: ExportID, company: CompanyID), _ events: EventPublisher) async {
        var told: Int?
        while !Task.isCancelled {
            let done = state.withLock { $0.done }
            if done != told {
                if told != nil { await lease.report(progress: Double(done) / Double(max(1, items))) }
                events.publish(.exportUpdated(part.export, of: part.company))
                told = done
            }
            do { try await Task.sleep(for: Self.interval) } catch { return }
        }
    }
}
