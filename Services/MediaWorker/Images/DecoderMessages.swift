import CDecoder
import Foundation
import Glibc

/// What a picture may be and what is made of it: all that a decoder knows of the settings.
struct PictureRecipe: Codable, Hashable, Sendable {
    var compressedSide: Int
    var compressedQuality: Int
    var thumbnailSide: Int
    var maximumPixels: Int
    var maximumFrames: Int
    var maximumDecodedBytes: Int64

    init(_ settings: MediaSettings) {
        compressedSide = settings.compressedSide
        compressedQuality = settings.compressedQuality
        thumbnailSide = settings.thumbnailSide
        maximumPixels = settings.maximumImagePixels
        maximumFrames = settings.maximumImageFrames
        maximumDecodedBytes = settings.maximumDecodedBytes
    }
}

/// What the worker sends to a decoder.
enum DecoderQuestion: Codable, Sendable {
    /// Read the header of the file that comes with it.
    case open(PictureRecipe)
    /// Decode it with this much memory, and write `compressed` and `thumbnail` into the two files that come with it.
    case make(memoryBytes: Int64)
}

/// What a decoder sends to the worker.
enum DecoderAnswer: Codable, Sendable {
    /// It has started. A kernel without seccomp leaves it able to do more than decode.
    case ready(isConfined: Bool)
    case opened(memoryBytes: Int64)
    case made(MadePicture)
    /// `words` are those of the libraries, for the log.
    case refused(PictureProblem, words: String)
}

struct MadePicture: Codable, Hashable, Sendable {
    /// Of the original, as shown.
    var size: PixelSize
    var compressedSize: PixelSize
    var compressedType: RenditionType
    var thumbnailSize: PixelSize
}

/// What a rendition of a picture is.
enum RenditionType: String, Codable, Sendable {
    case jpeg = "image/jpeg"
    case png = "image/png"

    var suffix: String {
        switch self {
        case .jpeg: "jpg"
        case .png: "png"
        }
    }
}

/// Why a decoder made nothing of a file.
enum PictureProblem: String, Error, Codable, Sendable {
    case unsupported
    case damaged
    case tooManyPixels
    case tooManyFrames
    /// Its pixels take more memory than a picture may have.
    case tooLarge
    /// A library did not get the memory it asked for.
    case noMemory
    /// A camera's raw picture without a preview that is worth showing.
    case raw
    /// Its bytes cannot be read just now.
    case unreadable
    case noSpace
    case cannotWrite
}

/// One end of the socket between a worker and a decoder; each message is whole or does not come.
struct DecoderSocket: Sendable {
    /// Longest message. The longest ones hold the words of a library.
    static let capacity = 16_384
    /// Bytes of a library's words, of which JSON makes six times as many at most: a message is never too long.
    static let maximumWords = 2000

    let descriptor: Int32

    /// False if the other end has gone, or a message cannot be sent now.
    func send(_ message: some Encodable, files: [Int32] = []) -> Bool {
        // Its types have no value that JSON cannot hold.
        guard let bytes = try? JSONEncoder().encode(message), bytes.count <= Self.capacity else { return false }
        return bytes.withUnsafeBytes { bytes in
            files.withUnsafeBufferPointer { files in
                decoder_send(descriptor, bytes.baseAddress, bytes.count, files.baseAddress, Int32(files.count))
                    == bytes.count
            }
        }
    }

    /// Waits for a message and the files that come with it, which are the caller's to close; nil at the end, or for
    /// what is no such message.
    func receive<Message: Decodable>(_: Message.Type) -> (message: Message, files: [Int32])? {
        var bytes = [UInt8](repeating: 0, count: Self.capacity)
        var files: [Int32] = [-1, -1]
        var count = -1
        repeat {
            count = bytes.withUnsafeMutableBytes { bytes in
                files.withUnsafeMutableBufferPointer { files in
                    decoder_receive(descriptor, bytes.baseAddress, bytes.count, files.baseAddress)
                }
            }
        } while count < 0 && errno == EINTR
        let came = files.filter { $0 >= 0 }
        guard count > 0, let message = try? JSONDecoder().decode(Message.self, from: Data(bytes[..<count])) else {
            for file in came { close(file) }
            return nil
        }
        return (message, came)
    }
}
