public import Foundation

/// A request for ZIP files of a set of items: parts, of a few dozen items each.
public struct Export: Hashable, Sendable {
    /// Which files of an asset go in.
    public enum Media: String, CaseIterable, Codable, Sendable {
        /// The bytes exactly as received.
        case originals
        /// `compressed` of an image, `720p` of a video; the original where there is none.
        case compressed
        case both
    }

    /// What the sheets and the texts in the archive are written in.
    public enum Language: String, CaseIterable, Codable, Sendable {
        case en
        case es
    }

    public struct Options: Hashable, Sendable {
        public var media: Media
        /// Whether the company's own documents go into every part.
        public var procedures: Bool
        public var language: Language

        public init(media: Media = .originals, procedures: Bool = true, language: Language = .en) {
            self.media = media
            self.procedures = procedures
            self.language = language
        }
    }

    /// Where an export, or one of its parts, stands. It is what the jobs of the parts say, in the words of people.
    public enum Status: String, CaseIterable, Codable, Sendable {
        case queued
        case processing
        case ready
        /// It could not be built; the part says why.
        case failed
        /// Its archives have lived their life and are gone; asking again builds them anew.
        case expired
    }

    public let id: ExportID
    public let company: CompanyID
    public let options: Options
    public let status: Status
    public let parts: [ExportPart]
    /// 1 for the next to be begun; nil once it has.
    public let positionInQueue: Int?
    public let createdAt: Date
    /// When its last part ended.
    public let finishedAt: Date?
    /// When its archives go; nil until it is finished.
    public let expiresAt: Date?

    public init(
        id: ExportID,
        company: CompanyID,
        options: Options,
        status: Status,
        parts: [ExportPart],
        positionInQueue: Int?,
        createdAt: Date,
        finishedAt: Date?,
        expiresAt: Date?
    ) {
        self.id = id
        self.company = company
        self.options = options
        self.status = status
        self.parts = parts
        self.positionInQueue = positionInQueue
        self.createdAt = createdAt
        self.finishedAt = finishedAt
        self.expiresAt = expiresAt
    }

    /// How many items were asked for.
    public var items: Int { parts.reduce(0) { $0 + $1.wholeItems } }
    /// How many of them are in an archive.
    public var itemsDone: Int { parts.reduce(0) { $0 + $1.itemsDone } }
}

public typealias ExportID = Identifier<Export>

/// One archive of an export.
public struct ExportPart: Hashable, Sendable, Codable {
    /// A finished archive in its place.
    public struct Archive: Hashable, Sendable, Codable {
        public let volume: String
        /// Its path below the volume. Each attempt has one of its own.
        public let path: String
        public let bytes: Int64
        /// How long it took to build.
        public let seconds: Double
        /// What of it was lost or damaged before, at most ``maximumProblems`` of them.
        public let problems: [ExportProblem]
        /// How many there are in truth.
        public let problemCount: Int

        /// As many as a row and an answer show; `PROBLEMS.txt` in the archive has them all.
        public static let maximumProblems = 20

        public init(
            volume: String,
            path: String,
            bytes: Int64,
            seconds: Double,
            problems: [ExportProblem],
            problemCount: Int
        ) {
            self.volume = volume
            self.path = path
            self.bytes = bytes
            self.seconds = seconds
            self.problems = problems
            self.problemCount = problemCount
        }
    }

    /// Counts from 1.
    public let number: Int
    public let status: Export.Status
    /// How far it is, 0…1.
    public let progress: Double
    public let items: Int
    /// Whether the last of them has more files in the next part.
    public let continues: Bool
    /// What it waits for, or why it failed, for people.
    public let error: String?
    /// Nil until it is ready, and once it has expired.
    public let archive: Archive?

    public init(
        number: Int,
        status: Export.Status,
        progress: Double,
        items: Int,
        continues: Bool = false,
        error: String?,
        archive: Archive?
    ) {
        self.number = number
        self.status = status
        self.progress = progress
        self.items = items
        self.continues = continues
        self.error = error
        self.archive = archive
    }

    /// How many of its items are in the archive. One that goes on in the next part counts there.
    public var itemsDone: Int { min(wholeItems, Int((min(max(0, progress), 1) * Double(items) + 1e-6).rounded(.down))) }

    /// The items whose last file is in this part.
    var wholeItems: Int { continues ? items - 1 : items }
}

public typealias ExportPartID = Identifier<ExportPart>

/// A file that could not be put into a part as it was received.
public struct ExportProblem: Hashable, Sendable, Codable {
    /// The code of its item; nil for a procedure.
    public let item: String?
    public let filename: String
    /// What happened to it, for people, in the export's language.
    public let detail: String

    public init(item: String?, filename: String, detail: String) {
        self.item = item
        self.filename = filename
        self.detail = detail
    }
}
