/// A message whose publisher waits for its outcome.
struct Pending: Sendable {
    let message: Message
    let deadline: ContinuousClock.Instant
    let resolve: @Sendable (Result<Void, MessagingError>) -> Void
}

/// The messages of one channel that are sent and not yet confirmed, by the tags the broker counts them with.
struct Confirms {
    private struct Entry {
        var pending: Pending?
        var returned: String?
    }

    private var entries = FIFO<Entry>()
    /// The tag of the first entry; the broker counts from 1.
    private var firstTag: UInt64 = 1

    /// How many wait, those included that are at an end themselves but stand behind one that is not.
    var count: Int { entries.count }
    /// When the oldest is given up; callers' deadlines come in the order they are sent.
    var deadline: ContinuousClock.Instant? { entries.first?.pending?.deadline }

    /// Notes a message that is sent now; gives its tag.
    mutating func add(_ pending: Pending) -> UInt64 {
        entries.append(Entry(pending: pending))
        return firstTag + UInt64(entries.count) - 1
    }

    /// Notes that the broker gave a message back; its confirm is yet to come.
    mutating func markReturned(_ tag: UInt64, reason: String) {
        guard let offset = offset(of: tag) else { return }
        entries[offset].returned = reason
    }

    /// Ends the message of a tag, or all up to it. Tags that are no longer known were given up before.
    mutating func settle(_ tag: UInt64, multiple: Bool, _ outcome: Result<Void, MessagingError>) {
        if multiple {
            while firstTag <= tag, let entry = entries.popFirst() {
                firstTag += 1
                resolve(entry, outcome)
            }
        } else if let offset = offset(of: tag) {
            resolve(entries[offset], outcome)
            entries[offset].pending = nil
        }
        dropResolved()
    }

    /// Gives up what has waited past its deadline.
    mutating func expire(at now: ContinuousClock.Instant) {
        while let pending = entries.first?.pending, pending.deadline <= now {
            entries[0].pending = nil
            pending.resolve(.failure(.timeout))
            dropResolved()
        }
    }

    /// Ends all: their outcome will not be known.
    mutating func failAll(_ error: MessagingError) {
        firstTag += UInt64(entries.count)
        for entry in entries.removeAll() { entry.pending?.resolve(.failure(error)) }
    }

    private func offset(of tag: UInt64) -> Int? {
        guard tag >= firstTag, tag - firstTag < UInt64(entries.count) else { return nil }
        return Int(tag - firstTag)
    }

    private func resolve(_ entry: Entry, _ outcome: Result<Void, MessagingError>) {
        guard let reason = entry.returned, case .success = outcome else {
            entry.pending?.resolve(outcome)
            return
        }
        entry.pending?.resolve(.failure(.unroutable(reason)))
    }

    private mutating func dropResolved() {
        while let first = entries.first, first.pending == nil {
            _ = entries.popFirst()
            firstTag += 1
        }
    }
}
