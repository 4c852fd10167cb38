import Database
import Jobs
import Logging
import Models
import Storage

/// Turns an asset's original into its renditions.
struct AssetProcessing: Sendable {
    let assets: AssetRepository
    let storage: LocalStorage
    let images: ImageProcessor
    let films: VideoProcessor

    /// Makes and places the renditions of the job's asset.
    ///
    /// - Returns: The statements that record them.
    func process(_ lease: Lease) async throws(JobFailure) -> [any AnyStatement] {
        let job = lease.job
        let id = AssetID(rawValue: job.subject)
        do {
            guard let source = try await assets.source(id) else { return [] }
            let original = try storage.originalPath(source.original, of: source.company)
            let volume = try storage.volume(for: source.original.bytes)
            let workspace = try await storage.workspace(for: job.id, fence: job.fence, on: volume)
            let made: Made
            do {
                made = try await make(source, from: original, in: workspace.path, lease)
            } catch {
                await workspace.remove()
                throw error
            }
            var statements: [any AnyStatement] = [
                AssetRepository.processed(
                    id, width: made.width, height: made.height, durationSeconds: made.durationSeconds)
            ]
            for rendition in made.renditions {
                let placed = try await storage.placeRendition(
                    from: rendition.file, asset: id, fence: job.fence, name: rendition.name, on: volume)
                statements.append(
                    AssetRepository.add(
                        Rendition(
                            name: rendition.name, contentType: rendition.contentType, bytes: placed.bytes,
                            width: rendition.width, height: rendition.height, volume: volume.name, path: placed.path),
                        to: id))
            }
            await workspace.remove()
            return statements
        } catch let failure as JobFailure {
            throw failure
        } catch let failure as MediaFailure {
            throw JobFailure(reason: failure.reason, isPermanent: failure.isPermanent)
        } catch {
            lease.log("Processing met a problem of the machine", error)
            throw JobFailure(reason: "The server could not process this file just now.", isPermanent: false)
        }
    }

    /// Deletes what an attempt placed.
    func undo(_ job: ClaimedJob) async {
        for volume in storage.volumes {
            await storage.removeRenditions(of: AssetID(rawValue: job.subject), fence: job.fence, on: volume)
        }
    }
}
