public import Foundation

#if FAULT_POINTS
    import Glibc
    import Synchronization
#endif

/// A place where tests let a process die: between two steps of which each could be the last.
///
/// Debug builds, which tests run, die there by SIGKILL if `FAULT_POINT` names it: `api-linked`, or `api-linked:3` for the
/// third time it is reached. With `FAULT_SUBJECT`, an id, only what is about that counts. With `FAULT_SIGNAL=STOP` they stand still there instead, until SIGCONT comes. Release builds
/// have nothing of it.
public enum FaultPoint: String, CaseIterable, Sendable {
    /// A request to upload is known to be allowed; nothing of its body has come.
    case apiHeader = "api-header"
    /// The first bytes of a file are in the spool.
    case apiBody = "api-body"
    /// The files of a request are on stable storage and have no names.
    case apiSynced = "api-synced"
    /// The files of a request have their places, and no rows.
    case apiLinked = "api-linked"
    /// The rows are committed, and no job is announced.
    case apiCommitted = "api-committed"
    /// The jobs are announced, and nobody was answered.
    case apiAnnounced = "api-announced"
    /// Jobs are marked as announced, and are not.
    case sweeperMarked = "sweeper-marked"
    /// A file is set aside to be removed.
    case collectorAside = "collector-aside"
    case collectorRemoved = "collector-removed"
    case jobClaimed = "job-claimed"
    /// The work of a job begins.
    case jobBegun = "job-begun"
    /// The work of a job is done, and no row says so.
    case jobWorked = "job-worked"
    /// The row says that a job is done, and the broker has not heard.
    case jobCompleted = "job-completed"
    /// A rendition is made and not placed.
    case renditionMade = "rendition-made"
    /// A rendition is placed; there may be more.
    case renditionPlaced = "rendition-placed"
    /// A part's archive is being written.
    case partBegun = "part-begun"
    /// A part's archive is written and not placed.
    case partWritten = "part-written"
    case partPlaced = "part-placed"

    /// `subject` is what the step is about; where `FAULT_SUBJECT` names one, the others pass.
    public func reach(for subject: UUID? = nil) {
        #if FAULT_POINTS
            guard let plan = Self.plan, plan.point == self else { return }
            if let wanted = Self.subject, subject?.uuidString.lowercased() != wanted { return }
            // To this very thread: another might take a signal to the process, and this one go on meanwhile.
            if Self.left.subtract(1, ordering: .relaxed).newValue == 0 { pthread_kill(pthread_self(), Self.signal) }
        #endif
    }

    #if FAULT_POINTS
        private static let plan: (point: FaultPoint, times: Int)? = {
            guard let text = getenv("FAULT_POINT") else { return nil }
            let words = String(cString: text).split(separator: ":")
            guard let name = words.first, let point = FaultPoint(rawValue: String(name)) else { return nil }
            return (point, words.count > 1 ? Int(words[1]) ?? 1 : 1)
        }()
        private static let subject = getenv("FAULT_SUBJECT").map { String(cString: $0) }
        private static let signal = getenv("FAULT_SIGNAL").map { String(cString: $0) } == "STOP" ? SIGSTOP : SIGKILL
        private static let left = Atomic(plan?.times ?? 0)
    #endif
}
