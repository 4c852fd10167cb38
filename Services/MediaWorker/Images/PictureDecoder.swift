import CDecoder
import Foundation
import Glibc

/// The child process in which a worker has pictures decoded.
///
/// It takes files and questions from its standard input, and can open, start and reach nothing. Its limits and the filter
/// on its system calls are set before the first file comes; the worker watches its time.
enum PictureDecoder {
    static let command = "decode-pictures"

    /// Of a rendition. One of 16,384 pixels a side at quality 100 has less.
    private static let maximumOutputBytes: rlim_t = 1 << 30

    /// Answers until its parent, whose id is given, closes the socket.
    static func main(parent: pid_t) -> Never {
        guard decoder_bind_to_parent(parent) == 0, VipsLibrary.start() else { exit(EXIT_FAILURE) }
        // When memory runs out, the kernel takes this process first.
        let priority = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC)
        write(priority, "1000", 4)
        close(priority)
        VipsLibrary.warmUp()
        let memory = MemoryLimit()
        limit(__rlimit_resource_t(RLIMIT_CORE.rawValue), to: 0)
        limit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), to: maximumOutputBytes)
        let isConfined = decoder_confine(1) == 0
        let socket = DecoderSocket(descriptor: STDIN_FILENO)
        var isHeard = socket.send(DecoderAnswer.ready(isConfined: isConfined))
        var photo: Photo?
        while isHeard, let (question, files) = socket.receive(DecoderQuestion.self) {
            let answer: DecoderAnswer
            do throws(PictureProblem) {
                switch question {
                case .open(let recipe):
                    // What was said of pictures that came out all the same.
                    _ = VipsLibrary.takeMessages()
                    let opened = try Photo(files.first ?? -1, recipe: recipe)
                    photo = opened
                    answer = .opened(memoryBytes: opened.memoryBytes)
                case .make(let bytes):
                    guard let opened = photo, files.count == 2 else { throw .damaged }
                    memory.allow(bytes)
                    let made = try opened.makeRenditions(compressed: files[0], thumbnail: files[1])
                    photo = nil
                    memory.allow(0)
                    answer = .made(made)
                }
            } catch {
                photo = nil
                memory.allow(0)
                let said = VipsLibrary.takeMessages()
                let problem = error == .damaged && VipsLibrary.tellsOfNoMemory(said) ? .noMemory : error
                let words = said.utf8.prefix(DecoderSocket.maximumWords)
                answer = .refused(problem, words: String(decoding: Array(words), as: UTF8.self))
            }
            for file in files { close(file) }
            isHeard = socket.send(answer)
        }
        exit(EXIT_SUCCESS)
    }
}

private func limit(_ resource: __rlimit_resource_t, to value: rlim_t) {
    var limit = rlimit(rlim_cur: value, rlim_max: value)
    setrlimit(resource, &limit)
}

/// How much memory this process may have for the picture under way.
private struct MemoryLimit {
    /// What it has without any picture.
    private let base: rlim_t

    /// For buffers that do not grow with the picture, and for what libraries keep.
    private static let slack: rlim_t = 256 << 20

    init() {
        // Its sixth number is the pages of data and stacks (proc(5)).
        let numbers = (FileManager.default.contents(atPath: "/proc/self/statm") ?? Data()).split(separator: 0x20)
        let pages = numbers.count > 5 ? rlim_t(String(decoding: numbers[5], as: UTF8.self)) : nil
        base = (pages ?? 0) * rlim_t(sysconf(Int32(_SC_PAGESIZE)))
        allow(0)
    }

    /// Half as much again as a picture is thought to take: an estimate that is a little low refuses nothing.
    func allow(_ bytes: Int64) {
        let wanted = rlim_t(clamping: bytes)
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_DATA.rawValue), &limit)
        limit.rlim_cur = min(limit.rlim_max, base + Self.slack + wanted + wanted / 2)
        setrlimit(__rlimit_resource_t(RLIMIT_DATA.rawValue), &limit)
    }
}
