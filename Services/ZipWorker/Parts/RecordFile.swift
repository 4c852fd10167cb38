import Foundation
import Glibc
import Synchronization

/// Records that are written as they come and read again at the end of an archive, as often as needed: the first stay in
/// memory, and with too many of them all go to a file, so memory does not grow with what a part holds.
///
/// It blocks.
final class RecordFile<Record: Codable & Sendable>: Sendable {
    private struct State {
        /// Those that are not in the file.
        var kept: [Record] = []
        /// Bytes of the file.
        var length: Int64 = 0
        var failure: ArchiveError?
    }

    private let capacity: Int
    private let output: ArchiveOutput
    private let state = Mutex(State())

    /// Makes the file in a directory; it has no name, and is gone with this value. Up to `capacity` records stay in
    /// memory. Throws `full`, `io`.
    init(in directory: String, keeping capacity: Int) throws(ArchiveError) {
        let path = "\(directory)/records-\(UUID())"
        let descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw .last("open") }
        unlink(path)
        output = ArchiveOutput(descriptor: descriptor)
        self.capacity = capacity
    }

    deinit { close(output.descriptor) }

    /// Throws `full`, `io`.
    func append(_ records: [Record]) throws(ArchiveError) {
        let outcome = state.withLock { state in
            Result { () throws(ArchiveError) in
                state.kept += records
                if state.length > 0 || state.kept.count > capacity { try spill(&state) }
            }
        }
        try outcome.get()
    }

    private func spill(_ state: inout State) throws(ArchiveError) {
        let encoder = JSONEncoder()
        var bytes: [UInt8] = []
        for record in state.kept {
            do {
                bytes += try encoder.encode(record)
            } catch {
                throw .io(errno: EINVAL, operation: "encoding a record (\(error))")
            }
            // JSON has line breaks only escaped.
            bytes.append(UInt8(ascii: "\n"))
        }
        try output.write(bytes, at: state.length)
        state.length += Int64(bytes.count)
        state.kept = []
    }

    /// The records in their order. A file that cannot be read ends them early: see `check`.
    var records: some Sequence<Record> {
        let (kept, length) = state.withLock { ($0.kept, $0.length) }
        return AnySequence<Record> { [self] in
            var lines = Lines(output.descriptor, length: length)
            var rest = kept.makeIterator()
            let decoder = JSONDecoder()
            return AnyIterator<Record> { [self] in
                switch lines.next() {
                case .line(let line):
                    do {
                        return try decoder.decode(Record.self, from: line)
                    } catch {
                        fail(.io(errno: EIO, operation: "decoding a record (\(error))"))
                        return nil
                    }
                case .end: return rest.next()
                case .failure(let error):
                    fail(error)
                    return nil
                }
            }
        }
    }

    /// Throws what kept records from being read.
    func check() throws(ArchiveError) {
        if let failure = state.withLock({ $0.failure }) { throw failure }
    }

    private func fail(_ error: ArchiveError) {
        state.withLock { $0.failure = $0.failure ?? error }
    }
}

/// The lines of a file, read piece by piece.
private struct Lines {
    enum Next {
        case line(Data)
        case end
        case failure(ArchiveError)
    }

    private static let pieceBytes = 1 << 16

    private let descriptor: Int32
    private let length: Int64
    private var offset: Int64 = 0
    private var buffer = Data()

    init(_ descriptor: Int32, length: Int64) {
        self.descriptor = descriptor
        self.length = length
    }

    mutating func next() -> Next {
        while true {
            if let end = buffer.firstIndex(of: UInt8(ascii: "\n")) {
                let line = Data(buffer[..<end])
                buffer = buffer[(end + 1)...]
                return .line(line)
            }
            guard offset < length else { return .end }
            var piece = [UInt8](repeating: 0, count: Int(min(Int64(Self.pieceBytes), length - offset)))
            let count = pread(descriptor, &piece, piece.count, off_t(offset))
            guard count > 0 else { return .failure(count == 0 ? .io(errno: EIO, operation: "read") : .last("read")) }
            offset += Int64(count)
            buffer = Data(buffer) + piece[..<count]
        }
    }
}
