/// One piece of background work. Its row is the outbox, the queue's truth and the history; a message
/// only carries its id.
public enum Job {
    /// What kind of work; each kind has a queue of its own, so photos never wait behind videos.
    public enum Kind: String, CaseIterable, Codable, Sendable {
        case image = "media.image"
        case video = "media.video"
        /// One part of an export.
        case part = "zip.part"
    }

    public enum State: String, CaseIterable, Codable, Sendable {
        /// Waiting for a worker, or for its next attempt.
        case queued
        /// A worker holds its lease.
        case running
        case done
        case failed
    }
}

public typealias JobID = Identifier<Job>
