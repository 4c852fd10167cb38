import Config
import Foundation

/// How many images and videos a media worker processes at once, what it makes of them, and where it refuses.
struct MediaSettings: Sendable {
    /// Images at once (`IMAGE_SLOTS`, default: one a core).
    var imageSlots = ProcessInfo.processInfo.activeProcessorCount
    /// Videos at once (`VIDEO_SLOTS`, default: one for four cores, since one encoder keeps several busy, but two where there
    /// are two cores). Of several, one takes no long videos.
    var videoSlots = Self.videoSlots(cores: ProcessInfo.processInfo.activeProcessorCount)
    /// Images, or videos, of one company at once, in all workers together (`SLOTS_PER_COMPANY`); nil for as many as there are.
    var companySlots: Int?

    /// Longest side of `compressed`, in pixels (`COMPRESSED_MAX_SIDE`).
    var compressedSide = 1920
    /// JPEG quality of `compressed` and `thumbnail` (`COMPRESSED_QUALITY`).
    var compressedQuality = 85
    /// Longest side of `thumbnail`, in pixels (`THUMBNAIL_SIDE`).
    var thumbnailSide = 320
    /// Pixels an image may have (`MAX_IMAGE_PIXELS`), however it is decoded.
    var maximumImagePixels = 250_000_000
    /// Memory the pixels of an image may take if its decoder needs all of them at once (`MAX_IMAGE_DECODED_BYTES`):
    /// width × height × bands × bytes. A plain JPEG or PNG is decoded in strips.
    var maximumDecodedBytes: Int64 = 512 << 20
    /// Memory of all images that are decoded at once (`IMAGE_MEMORY_BYTES`, default: two thirds of what the process may
    /// have).
    var imageMemoryBytes = MemoryBudget.defaultBytes
    /// Time reading an image's header, and making its renditions, may take (`IMAGE_TIMEOUT`).
    var imageTimeout = Duration.seconds(120)
    /// Frames an animation or pages a TIFF may have (`MAX_IMAGE_FRAMES`). Only the first is decoded.
    var maximumImageFrames = 1000

    /// Short side of `720p`, in pixels (`VIDEO_HEIGHT`): a video held upright is this wide.
    var videoHeight = 720
    /// x264's constant rate factor (`VIDEO_CRF`): less is better and larger.
    var videoCRF = 23
    /// x264's preset (`VIDEO_PRESET`).
    var videoPreset = Preset.veryfast
    /// Time one video may take (`VIDEO_TIMEOUT`).
    var videoTimeout = Duration.seconds(4 * 3600)
    /// Address space of one ffmpeg (`VIDEO_MEMORY_BYTES`). It is several times what is ever resident.
    var videoMemoryBytes: Int64 = 4 << 30
    /// Size of the largest file one ffmpeg may write (`VIDEO_OUTPUT_BYTES`).
    var videoOutputBytes: Int64 = 4 << 30
    /// Longest video (`MAX_VIDEO_DURATION`).
    var maximumVideoDuration = Duration.seconds(4 * 3600)
    /// Pixels a video's frame may have (`MAX_VIDEO_PIXELS`); the default admits 8K.
    var maximumVideoPixels = 8192 * 4320

    /// x264's presets that a small machine can bear.
    enum Preset: String, CaseIterable, Sendable {
        case ultrafast
        case superfast
        case veryfast
        case faster
        case fast
        case medium
        case slow
    }
}

extension MediaSettings {
    init(reader: SettingsReader) throws(SettingsError) {
        self.init()
        imageSlots = try reader.integer("IMAGE_SLOTS", default: imageSlots, in: 1...64)
        videoSlots = try reader.integer("VIDEO_SLOTS", default: videoSlots, in: 1...64)
        if reader.string("SLOTS_PER_COMPANY") != nil {
            companySlots = try reader.integer("SLOTS_PER_COMPANY", default: 1, in: 1...10_000)
        }

        compressedSide = try reader.integer("COMPRESSED_MAX_SIDE", default: compressedSide, in: 320...16_384)
        compressedQuality = try reader.integer("COMPRESSED_QUALITY", default: compressedQuality, in: 30...100)
        thumbnailSide = try reader.integer("THUMBNAIL_SIDE", default: thumbnailSide, in: 16...2048)
        maximumImagePixels = try reader.integer("MAX_IMAGE_PIXELS", default: maximumImagePixels, in: 1...2_000_000_000)
        maximumDecodedBytes = min(1 << 40, try reader.bytes("MAX_IMAGE_DECODED_BYTES", default: maximumDecodedBytes))
        imageMemoryBytes = min(1 << 50, try reader.bytes("IMAGE_MEMORY_BYTES", default: imageMemoryBytes))
        imageTimeout = try reader.duration("IMAGE_TIMEOUT", default: imageTimeout)
        maximumImageFrames = try reader.integer("MAX_IMAGE_FRAMES", default: maximumImageFrames, in: 1...100_000)

        videoHeight = try reader.integer("VIDEO_HEIGHT", default: videoHeight, in: 144...4320)
        videoCRF = try reader.integer("VIDEO_CRF", default: videoCRF, in: 0...51)
        videoPreset = try reader.choice("VIDEO_PRESET", default: videoPreset)
        videoTimeout = try reader.duration("VIDEO_TIMEOUT", default: videoTimeout)
        videoMemoryBytes = try reader.bytes("VIDEO_MEMORY_BYTES", default: videoMemoryBytes)
        videoOutputBytes = try reader.bytes("VIDEO_OUTPUT_BYTES", default: videoOutputBytes)
        maximumVideoDuration = try reader.duration("MAX_VIDEO_DURATION", default: maximumVideoDuration)
        maximumVideoPixels = try reader.integer("MAX_VIDEO_PIXELS", default: maximumVideoPixels, in: 1...2_000_000_000)
    }

    static func videoSlots(cores: Int) -> Int { cores < 2 ? 1 : max(2, cores / 4) }

    /// Of the video slots, those that take no long videos.
    var shortVideoSlots: Int { videoSlots > 1 ? 1 : 0 }

    /// Threads of one ffmpeg's decoder and of its encoder; 0 lets them choose, which is right for a video alone.
    /// More than 16 gain nothing at this size and take address space.
    var videoThreads: Int {
        let cores = ProcessInfo.processInfo.activeProcessorCount
        // Short videos pass by; those that stay share the cores.
        let sharing = videoSlots - shortVideoSlots
        guard sharing > 1 || cores > 16 else { return 0 }
        return min(16, max(1, cores / sharing))
    }
}
