import Database
import FaultPoints
import Foundation
import Jobs
import Logging
import Models
import Repositories
import Storage

/// Turns an asset's original into its renditions: one attempt of an image job or a video job.
struct AssetProcessor: JobHandler {
    let lease: Lease
    let assets: AssetRepository
    let storage: LocalStorage
    let images: ImageProcessor
    let videos: VideoProcessor

    /// Makes and places the renditions of the job's asset, and gives the statements that record them; none for an asset
    /// that was deleted meanwhile.
    func work() async throws(JobFailure) -> [any AnyStatement] {
        do {
            guard let source = try await assets.source(AssetID(rawValue: lease.job.subject)) else { return [] }
            let volume = try await storage.volume(for: source.original.bytes)
            let workspace = try await storage.workspace(for: lease.job.id, fence: lease.job.fence, on: volume)
            do {
                let statements = try await process(source, in: workspace)
                try await workspace.remove()
                return statements
            } catch {
                try await workspace.remove()
                throw error
            }
        } catch let failure as MediaFailure {
            throw JobFailure(reason: failure.reason, isPermanent: failure.isPermanent)
        } catch let error as StorageError where error.kind == .full {
            throw .postponed("The server has no room for the results; it tries again every minute.")
        } catch {
            lease.logger.error("An asset could not be processed just now", metadata: ["error": "\(error)"])
            throw JobFailure(reason: "The server could not process the file.", isPermanent: false)
        }
    }

    func discard() async {
        for volume in storage.volumes {
            do {
                let asset = AssetID(rawValue: lease.job.subject)
                try await storage.removeRenditions(of: asset, fence: lease.job.fence, on: volume)
            } catch {
                lease.logger.error("What an attempt made could not be deleted", metadata: ["error": "\(error)"])
            }
        }
    }

    private func process(_ source: AssetSource, in workspace: Workspace) async throws -> [any AnyStatement] {
        let original = try storage.originalPath(source.original, of: source.company)
        let made: ProcessedMedia
        switch source.kind {
        case .image:
            made = try await images.process(source: original, workspace: workspace.path)
        case .video:
            made = try await videos.process(source: original, workspace: workspace.path) { progress in
                await lease.report(progress: progress)
            }
        case .document:
            return []
        }
        FaultPoint.renditionMade.reach()
        var statements: [any AnyStatement] = [
            AssetRepository.processed(
                source.id,
                width: made.size.width,
                height: made.size.height,
                durationSeconds: made.durationSeconds
            )
        ]
        for rendition in made.renditions {
            let placed = try await storage.placeRendition(
                from: rendition.file,
                asset: source.id,
                fence: lease.job.fence,
                name: URL(filePath: rendition.file).lastPathComponent,
                on: workspace.volume
            )
            FaultPoint.renditionPlaced.reach()
            let row = Rendition(
                name: rendition.name,
                contentType: rendition.contentType,
                bytes: placed.bytes,
                width: rendition.size.width,
                height: rendition.size.height,
                volume: workspace.volume.name,
                path: placed.path
            )
            statements.append(AssetRepository.add(row, to: source.id))
        }
        for volume in storage.volumes {
            try await storage.removeRenditions(of: source.id, before: lease.job.fence, on: volume)
        }
        return statements
    }
}

struct ProcessedMedia: Sendable {
    /// Of the original, as shown.
    let size: PixelSize
    /// Nil for an image.
    let durationSeconds: Double?
    let renditions: [MadeRendition]
}

/// A rendition in the workspace, not yet in its place.
struct MadeRendition: Hashable, Sendable {
    /// Unique within its asset: `compressed`, `thumbnail`, `720p`, `poster`.
    let name: String
    /// Its path in the workspace; the last component is its name in its place, too.
    let file: String
    let contentType: String
    let size: PixelSize
}

/// A width and a height in pixels.
struct PixelSize: Codable, Hashable, Sendable {
    var width: Int
    var height: Int

    /// libvips and ffmpeg count each side in 32 bits, so it fits.
    var area: Int { width * height }
    var longSide: Int { max(width, height) }
    var shortSide: Int { min(width, height) }
    /// After a quarter turn.
    var turned: PixelSize { PixelSize(width: height, height: width) }
    /// The nearest size below with even sides, which 4:2:0 video needs; two pixels at least.
    var even: PixelSize { PixelSize(width: max(2, width & ~1), height: max(2, height & ~1)) }

    /// The same proportions with the longer side `limit` at most; never enlarged, never below one pixel.
    func fitted(toLongSide limit: Int) -> PixelSize {
        scaled(by: Double(limit) / Double(longSide))
    }

    /// The same proportions with the shorter side `limit` at most; never enlarged, never below one pixel.
    func fitted(toShortSide limit: Int) -> PixelSize {
        scaled(by: Double(limit) / Double(shortSide))
    }

    private func scaled(by factor: Double) -> PixelSize {
        guard factor < 1 else { return self }
        return PixelSize(
            width: max(1, Int((Double(width) * factor).rounded())),
            height: max(1, Int((Double(height) * factor).rounded()))
        )
    }
}
