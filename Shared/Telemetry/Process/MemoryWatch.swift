import Synchronization

/// Tells the moment a value goes above a threshold. It counts as back below at nine tenths, so that memory
/// that hovers there does not fill the log.
final class MemoryWatch: Sendable {
    private let threshold: Int64
    private let isAbove = Mutex(false)

    init(threshold: Int64) {
        self.threshold = threshold
    }

    func hasJustCrossed(_ bytes: Int64) -> Bool {
        isAbove.withLock { isAbove in
            let wasAbove = isAbove
            isAbove = bytes > (wasAbove ? threshold / 10 * 9 : threshold)
            return isAbove && !wasAbove
        }
    }
}
