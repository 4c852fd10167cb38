import Blocking
public import Models

/// A directory of one attempt's own: `spool/jobs/<job>/<fence>/`. What is not moved out of it goes with it.
public struct Workspace: Sendable {
    /// Absolute path, for programs that take one.
    public let path: String
    /// The volume it lies on; a rendition placed from here stays there.
    public let volume: Volume

    let job: JobID
    let fence: Int64
    let threads: BlockingThreads

    /// Removes it with all that is in it. If the process dies first, the job's next attempt does; of a job that needs none
    /// any more, since its asset was deleted, the collector.
    public func remove() async throws(StorageError) {
        try await threads.run { () throws(StorageError) in
            do throws(StorageError) {
                try volume.directory(["spool", "jobs", job.description]).remove("\(fence)")
                try volume.directory(["spool", "jobs"]).removeIfEmpty(job.description)
            } catch  where error.kind == .missing {
                return
            }
        }
    }
}

extension LocalStorage {
    /// Makes the directory of one attempt, empty, and removes those of the attempts before it.
    ///
    /// - Parameters:
    ///   - job: The job.
    ///   - fence: Of this attempt. Directories of later attempts stay.
    ///   - volume: Where the results will stay, so that placing them is a rename.
    /// - Returns: The directory.
    /// - Throws: `full`, `io`.
    public func workspace(
        for job: JobID,
        fence: Int64,
        on volume: Volume
    ) async throws(StorageError) -> Workspace {
        try await threads.run { () throws(StorageError) -> Workspace in
            let directory = try volume.durableDirectory(["spool", "jobs", job.description])
            try directory.removeAttempts { $0 <= fence }
            let own = try directory.makeDirectory("\(fence)").directory
            return Workspace(path: own.path, volume: volume, job: job, fence: fence, threads: threads)
        }
    }
}
