import Database
import FaultPoints
import Jobs
import Logging
import Models
import Repositories
import Storage

/// Turns an asset's original into its renditions.
struct AssetProcessing: Sendable {
    let assets: AssetRepository
    let storage: LocalStorage
    let images: ImageProcessor
    let films: VideoProcessor

    /// Makes the renditions of the job's asset and puts them in their places.
    ///
    /// - Returns: The statements that record them; none for an asset that was deleted meanwhile.
    func process(_ lease: Lease) async throws(JobFailure) -> [any AnyStatement] {
        do {
            guard let source = try await assets.source(AssetID(rawValue: lease.job.subject)) else { return [] }
            let volume = try storage.volume(for: source.original.bytes)
            let workspace = try await storage.workspace(for: lease.job.id, fence: lease.job.fence, on: volume)
            do {
                let statements = try await process(source, in: workspace, lease)
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
            throw JobFailure(reason: "The server could not process the file just now.", isPermanent: false)
        }
    }

    /// Deletes what an attempt has placed.
    func undo(_ job: ClaimedJob, _ logger: Logger) async {
        for volume in storage.volumes {
            do {
                let asset = AssetID(rawValue: job.subject)
                try await storage.removeRenditions(of: asset, fence: job.fence, on: volume)
            } catch {
                logger.error("What an attempt made could not be deleted", metadata: ["error": "\(error)"])
            }
        }
    }

    private func process(
        _ source: AssetSource,
        in workspace: Workspace,
        _ lease: Lease
    ) async throws -> [any AnyStatement] {
        let original = try storage.originalPath(source.original, of: source.company)
        let made: [MadeRendition]
        let measured: any AnyStatement
        switch source.kind {
        case .image:
            let image = try await images.process(source: original, workspace: workspace.path)
            made = image.renditions
            measured = AssetRepository.processed(
                source.id,
                width: image.width,
                height: image.height,
                durationSeconds: nil
            )
        case .video:
            let film = try await films.process(source: original, workspace: workspace.path) { progress in
                await lease.report(progress: progress)
            }
            made = film.renditions
            measured = AssetRepository.processed(
                source.id,
                width: film.width,
                height: film.height,
                durationSeconds: film.durationSeconds
            )
        case .document:
            return []
        }
        FaultPoint.renditionMade.reach()
        var statements = [measured]
        for rendition in made {
            let type = rendition.contentType == "video/mp4" ? "mp4" : "jpg"
            let placed = try await storage.placeRendition(
                from: rendition.file,
                asset: source.id,
                fence: lease.job.fence,
                name: "\(rendition.name).\(type)",
                on: workspace.volume
            )
            FaultPoint.renditionPlaced.reach()
            let row = Rendition(
                name: rendition.name,
                contentType: rendition.contentType,
                bytes: placed.bytes,
                width: rendition.width,
                height: rendition.height,
                volume: workspace.volume.name,
                path: placed.path
            )
            statements.append(AssetRepository.add(row, to: source.id))
        }
        for volume in storage.volumes {
            try await storage.removeRenditions(of: source.id, except: lease.job.fence, on: volume)
        }
        return statements
    }
}
