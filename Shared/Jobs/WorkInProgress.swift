import Foundation
import Synchronization

/// What a process is doing right now, for its heartbeat.
public final class WorkInProgress: Sendable {
    private let under = Mutex<[UUID: String]>([:])

    /// Nothing yet.
    public init() {}

    /// One line for each piece of work.
    public var lines: [String] { under.withLock { $0.values.sorted() } }

    func during<Result>(_ line: String, _ body: () async -> Result) async -> Result {
        let id = UUID()
        under.withLock { $0[id] = line }
        defer { _ = under.withLock { $0.removeValue(forKey: id) } }
        return await body()
    }
}
