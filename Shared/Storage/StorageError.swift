import Glibc

/// Why the file system did not do what was asked.
public struct StorageError: Error, Hashable, CustomStringConvertible {
    public enum Kind: Hashable, Sendable {
        /// No volume has the room: blocks, inodes or quota. Nothing of the file is left behind.
        case full
        /// A system call failed with this error number.
        case io(errno: Int32, operation: String)
        case missing
        case unknownVolume
        /// The name is a path, or a symbolic link stands in the way.
        case outsideVolume
    }

    public let kind: Kind
    /// The file or the volume it is about.
    public let subject: String

    init(_ kind: Kind, _ subject: String) {
        self.kind = kind
        self.subject = subject
    }

    public var description: String {
        switch kind {
        case .full: "\(subject): no room is left"
        case .io(let number, let operation): "\(subject): \(operation): \(String(cString: strerror(number)))"
        case .missing: "\(subject): no such file"
        case .unknownVolume: "\(subject): no such volume"
        case .outsideVolume: "\(subject): does not stay inside its volume"
        }
    }

    /// The error of the system call that has just failed.
    static func last(_ operation: String, _ subject: String) -> StorageError {
        StorageError(errno: errno, operation, subject)
    }

    init(errno number: Int32, _ operation: String, _ subject: String) {
        let kind: Kind =
            switch number {
            case ENOSPC, EDQUOT: .full
            case ENOENT: .missing
            case ELOOP: .outsideVolume
            default: .io(errno: number, operation: operation)
            }
        self.init(kind, subject)
    }
}
