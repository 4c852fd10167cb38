/// Gathers small pieces of text and hands them on in chunks, so that however much there is, little of it is in memory.
struct TextChunks<Failure: Error> {
    /// 32 KiB
    static var chunkBytes: Int { 32 << 10 }

    private let write: ([UInt8]) throws(Failure) -> Void
    private var chunk: [UInt8] = []

    /// Nothing is written yet.
    init(to write: @escaping ([UInt8]) throws(Failure) -> Void) {
        self.write = write
        chunk.reserveCapacity(Self.chunkBytes)
    }

    /// Adds a piece.
    ///
    /// - Throws: What writing throws.
    mutating func append(_ piece: some Sequence<UInt8>) throws(Failure) {
        chunk.append(contentsOf: piece)
        if chunk.count >= Self.chunkBytes { try flush() }
    }

    /// Hands on what is left.
    ///
    /// - Throws: What writing throws.
    mutating func flush() throws(Failure) {
        guard !chunk.isEmpty else { return }
        try write(chunk)
        chunk.removeAll(keepingCapacity: true)
    }
}
