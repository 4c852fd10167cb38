import Blocking
import Foundation
import Glibc
import Logging
import ServiceLifecycle
import Telemetry

/// Makes `compressed` and `thumbnail` of a photo, in child processes that can do nothing but decode.
final class ImageProcessor: Service {
    private let settings: MediaSettings
    private let logger: Logger
    private let decoders = DecoderPool()
    private let budget: MemoryBudget
    private let threads: BlockingThreads
    private let estimate: @Sendable (Int64) -> Int64

    /// Has a thread for each slot. `logger` gets what libvips says about the files it cannot read. `estimate` gives what
    /// a picture is granted at first, of the bytes that its decoder thinks it takes.
    init(
        settings: MediaSettings,
        logger: Logger,
        estimate: @escaping @Sendable (Int64) -> Int64 = { $0 }
    ) {
        self.settings = settings
        self.logger = logger
        self.estimate = estimate
        budget = MemoryBudget(bytes: settings.imageMemoryBytes)
        threads = BlockingThreads(name: "image", count: settings.imageSlots)
    }

    /// Starts one decoder, which only a broken installation prevents.
    func check() async throws(MediaFailure) {
        try await threads.run { [self] () throws(MediaFailure) in
            decoders.give(try takeDecoder())
        }
    }

    /// Ends decoders that are idle, until graceful shutdown.
    func run() async throws {
        await repeatUntilShutdown(every: .seconds(10)) { [self] in
            await threads.run { [self] in decoders.endIdle() }
        }
        await threads.run { [self] in decoders.endIdle(everyOne: true) }
    }

    /// Decodes a photo once for both renditions: upright, in sRGB, on white, without metadata, never enlarged.
    /// `compressed` has no more bytes than the original, if that can be had.
    ///
    /// Photos wait for each other until there is memory for them. `workspace` is a directory of this attempt's own.
    ///
    /// A failure is permanent if the file is no picture, is damaged, ends early, exceeds a limit or breaks its decoder,
    /// also with as much memory as any picture may have; transient if it cannot be opened, the disk is full, the decoder
    /// was killed from outside, or the task was cancelled.
    func process(source: String, workspace: String) async throws(MediaFailure) -> ProcessedMedia {
        guard !Task.isCancelled else { throw .stopped }
        let stop = Wakeup()
        let result = await withTaskCancellationHandler {
            await process(source: source, workspace: workspace, stop: stop)
        } onCancel: {
            stop.signal()
        }
        return try result.get()
    }

    private func process(source: String, workspace: String, stop: Wakeup) async -> Result<ProcessedMedia, MediaFailure>
    {
        do throws(MediaFailure) {
            let (loan, memory) = try await openAnywhere(source, stop: stop)
            let granted = min(estimate(memory), budget.total)
            let first = await make(loan, memory: granted, in: workspace, stop: stop)
            guard case .failure(let failure) = first, granted < mostMemory,
                await mayLackMemory(failure, source)
            else { return first }
            logger.info("a picture is tried again with more memory", metadata: ["bytes": "\(mostMemory)"])
            let (another, _) = try await threads.run { [self] () throws(MediaFailure) in
                try open(source, inNew: true, stop: stop)
            }
            return await make(another, memory: mostMemory, in: workspace, stop: stop)
        } catch {
            return .failure(error)
        }
    }

    /// The decoders within libheif do not say why they failed.
    private func mayLackMemory(_ failure: MediaFailure, _ source: String) async -> Bool {
        if failure == .imageTooDemanding { return true }
        guard failure == .damagedImage else { return false }
        return await threads.run { Self.isHEIF(source) }
    }

    private static func isHEIF(_ path: String) -> Bool {
        let file = Glibc.open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return false }
        defer { close(file) }
        var head = [UInt8](repeating: 0, count: 8)
        return pread(file, &head, head.count, 0) == head.count && head.suffix(4).elementsEqual("ftyp".utf8)
    }

    /// What a picture may have at most, in bytes: more than any is thought to take that `MAX_IMAGE_DECODED_BYTES` admits.
    private var mostMemory: Int64 { min(4 * settings.maximumDecodedBytes, budget.total) }

    private func openAnywhere(
        _ source: String,
        stop: Wakeup
    ) async throws(MediaFailure) -> (loan: DecoderPool.Loan, memory: Int64) {
        try await threads.run { [self] () throws(MediaFailure) in
            do throws(MediaFailure) {
                return try open(source, stop: stop)
            } catch {
                guard error == .imageTooDemanding else { throw error }
                // What other pictures have left in a decoder is no fault of this one.
                return try open(source, inNew: true, stop: stop)
            }
        }
    }

    /// Waits for the memory, and has the renditions made.
    private func make(
        _ loan: DecoderPool.Loan,
        memory: Int64,
        in workspace: String,
        stop: Wakeup
    ) async -> Result<ProcessedMedia, MediaFailure> {
        let reserved: Int64
        do {
            reserved = try await budget.reserve(memory)
        } catch {
            return .failure(.stopped)
        }
        defer { budget.release(reserved) }
        do throws(MediaFailure) {
            return .success(
                try await threads.run { [self] () throws(MediaFailure) in
                    try make(loan, memory: reserved, in: workspace, stop: stop)
                }
            )
        } catch {
            return .failure(error)
        }
    }

    private func takeDecoder(isNew: Bool = false) throws(MediaFailure) -> DecoderPool.Loan {
        func warn() {
            logger.warning("The kernel cannot confine decoders of pictures (seccomp); only their limits hold")
        }
        do throws(DecoderProcess.Ending) {
            return isNew ? try decoders.takeNew(warn: warn) : try decoders.take(warn: warn)
        } catch {
            logger.error("A decoder of pictures does not start", metadata: ["ending": "\(error)"])
            throw .imageLibraryUnavailable
        }
    }

    /// Has a decoder, or a new one, read the file's header; gives what memory the rest takes.
    private func open(
        _ source: String,
        inNew: Bool = false,
        stop: Wakeup
    ) throws(MediaFailure) -> (loan: DecoderPool.Loan, memory: Int64) {
        let file = Glibc.open(source, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { throw .sourceUnavailable }
        defer { close(file) }
        let loan = try takeDecoder(isNew: inNew)
        let question = DecoderQuestion.open(PictureRecipe(settings))
        guard case .opened(let memory) = try ask(loan, question, files: [file], stop: stop) else {
            throw .damagedImage
        }
        return (loan, memory)
    }

    private func make(
        _ loan: DecoderPool.Loan,
        memory: Int64,
        in workspace: String,
        stop: Wakeup
    ) throws(MediaFailure) -> ProcessedMedia {
        let paths = ["\(workspace)/compressed", "\(workspace)/thumbnail.jpg"]
        var files: [Int32] = []
        defer { for file in files { close(file) } }
        for path in paths {
            let file = Glibc.open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
            guard file >= 0 else { throw .cannotWrite(errno: errno) }
            files.append(file)
        }
        let question = DecoderQuestion.make(memoryBytes: memory)
        guard case .made(let made) = try ask(loan, question, files: files, stop: stop),
            [made.size, made.compressedSize, made.thumbnailSize].allSatisfy(\.isPossible)
        else { throw .damagedImage }
        decoders.give(loan)
        let compressed = "\(paths[0]).\(made.compressedType.suffix)"
        guard rename(paths[0], compressed) == 0 else { throw .cannotWrite(errno: errno) }
        return ProcessedMedia(
            size: made.size,
            durationSeconds: nil,
            renditions: [
                MadeRendition(
                    name: "compressed",
                    file: compressed,
                    contentType: made.compressedType.rawValue,
                    size: made.compressedSize
                ),
                MadeRendition(
                    name: "thumbnail",
                    file: paths[1],
                    contentType: RenditionType.jpeg.rawValue,
                    size: made.thumbnailSize
                ),
            ]
        )
    }

    /// The answer, if it is no refusal.
    private func ask(
        _ loan: DecoderPool.Loan,
        _ question: DecoderQuestion,
        files: [Int32],
        stop: Wakeup
    ) throws(MediaFailure) -> DecoderAnswer {
        let answer: DecoderAnswer
        do throws(DecoderProcess.Ending) {
            let deadline = ContinuousClock.now + settings.imageTimeout
            answer = try loan.decoder.ask(question, files: files, before: deadline, stop: stop)
        } catch {
            let failure = Self.failure(error)
            logger.info(
                "a picture's decoder ended",
                metadata: ["code": "\(failure.code)", "ending": "\(error)"]
            )
            throw failure
        }
        guard case .refused(let problem, let words) = answer else { return answer }
        let failure = failure(problem)
        logger.info(
            "a picture could not be processed",
            metadata: ["code": "\(failure.code)", "libvips": "\(words)"]
        )
        switch problem {
        // A library that failed so may have kept what it had.
        case .damaged, .noMemory: loan.decoder.end()
        default: decoders.give(loan)
        }
        throw failure
    }

    /// Why a picture failed whose decoder ended.
    static func failure(_ ending: DecoderProcess.Ending) -> MediaFailure {
        switch ending {
        case .cancelled: .stopped
        case .timedOut: .imageTimeout
        case .signaled(SIGSEGV), .signaled(SIGILL), .signaled(SIGFPE), .signaled(SIGSYS): .damagedImage
        // The original could not be read where it was looked at.
        case .signaled(SIGBUS): .sourceUnavailable
        // How glib and the C library end a process that gets no more memory.
        case .signaled(SIGABRT), .signaled(SIGTRAP), .signaled(SIGXFSZ): .imageTooDemanding
        // The kernel's choice when memory runs out, or somebody's.
        case .signaled: .decoderKilled
        case .exited, .unavailable: .imageLibraryUnavailable
        }
    }

    private func failure(_ problem: PictureProblem) -> MediaFailure {
        switch problem {
        case .unsupported: .unsupportedImage
        case .damaged: .damagedImage
        case .tooManyPixels: .tooManyPixels(settings.maximumImagePixels)
        case .tooManyFrames: .tooManyFrames(settings.maximumImageFrames)
        case .tooLarge: .imageTooLarge(settings.maximumDecodedBytes)
        case .noMemory: .imageTooDemanding
        case .raw: .rawImage
        case .unreadable: .sourceUnavailable
        case .noSpace: .noSpace
        case .cannotWrite: .cannotWrite(errno: EIO)
        }
    }
}

extension PixelSize {
    /// What libvips could have made, so that a decoder that lies does not end the worker.
    var isPossible: Bool { (1...10_000_000).contains(width) && (1...10_000_000).contains(height) }
}
