import Glibc

/// Why an archive cannot be written; what was written of it is of no use.
///
/// A source that is missing or damaged is no error but an `ArchiveProblem`: the archive is delivered without it.
enum ArchiveError: Error, Hashable, CustomStringConvertible {
    /// The disk under the archive is full: blocks or quota.
    case full
    /// A system call failed with this error number.
    case io(errno: Int32, operation: String)
    /// The task was cancelled with more left to copy than is finished all the same.
    case cancelled

    /// The line for the log.
    var description: String {
        switch self {
        case .full: "no room is left for the archive"
        case .io(let number, let operation): "the archive: \(operation): \(String(cString: strerror(number)))"
        case .cancelled: "the archive was cancelled"
        }
    }

    /// The error of the system call that has just failed.
    static func last(_ operation: String) -> ArchiveError { ArchiveError(errno: errno, operation) }

    init(errno number: Int32, _ operation: String) {
        self =
            switch number {
            case ENOSPC, EDQUOT: .full
            default: .io(errno: number, operation: operation)
            }
    }
}

/// Calls until it is not interrupted by a signal.
func uninterrupted<Count: SignedInteger>(_ call: () -> Count) -> Count {
    while true {
        let result = call()
        if result != -1 || errno != EINTR { return result }
    }
}
